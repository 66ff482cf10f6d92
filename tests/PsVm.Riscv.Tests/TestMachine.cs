using System.Buffers.Binary;
using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using PsVm.Riscv.Memory;

namespace PsVm.Riscv.Tests;

/// <summary>RAM at 0x80000000 and one hart, with nothing else on the bus.</summary>
internal sealed unsafe class TestMachine : IDeviceBus, IGuestClock, IDisposable
{
    public const ulong RamBase = 0x8000_0000;
    private readonly byte* _ram;
    private readonly long _start = Stopwatch.GetTimestamp();

    public TestMachine(
        ulong ramSize = 8 << 20,
        IExecutionEnvironment? environment = null,
        CodeCache? code = null,
        IsaProfile? isa = null,
        ulong? rom = null)
    {
        const uint RomSize = 4096;
        RamSize = ramSize;
        _ram = (byte*)NativeMemory.AlignedAlloc((nuint)ramSize + RomSize, 4096);
        new Span<byte>(_ram, (int)(ramSize + RomSize)).Clear();
        Memory = new PhysicalMemory();
        Memory.AddRam(RamBase, (nint)_ram, ramSize, readOnly: false);
        if (rom is { } address)
        {
            Memory.AddRam(address, (nint)(_ram + ramSize), RomSize, readOnly: true);
        }

        Hart = new Hart(0, Memory, this, this, environment, code, isa) { Pc = RamBase };
    }

    public ulong RamSize { get; }

    public PhysicalMemory Memory { get; }

    public Hart Hart { get; }

    /// <summary>What <see cref="Now"/> says; null: the host's time.</summary>
    public ulong? FixedTime { get; set; }

    /// <summary>Where there are devices, which answer nothing: address and bytes.</summary>
    public (ulong Address, ulong Length) Devices { get; set; }

    /// <summary>What a read of a device does, and answers; null: there is no answer.</summary>
    public Func<ulong>? OnDeviceRead { get; set; }

    public ulong Frequency => 10_000_000;

    public ulong Now => FixedTime ?? (ulong)Stopwatch.GetElapsedTime(_start).Ticks;

    public Span<byte> Ram => new(_ram, (int)RamSize);

    public ulong ReadRam(ulong address) => BinaryPrimitives.ReadUInt64LittleEndian(Ram[(int)(address - RamBase)..]);

    public void WriteRam(ulong address, ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(Ram[(int)(address - RamBase)..], value);

    /// <summary>Puts instructions at an address.</summary>
    public TestMachine Program(ulong address, params uint[] instructions)
    {
        for (int i = 0; i < instructions.Length; i++)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(Ram[(int)(address - RamBase + ((ulong)i * 4))..], instructions[i]);
        }

        return this;
    }

    public bool TryRead(ulong address, int size, out ulong value)
    {
        Func<ulong>? read = HasDevice(address) ? OnDeviceRead : null;
        value = read?.Invoke() ?? 0;
        return read is not null;
    }

    public bool TryWrite(ulong address, int size, ulong value) => false;

    public bool HasDevice(ulong address) => address - Devices.Address < Devices.Length;

    public void Dispose()
    {
        Hart.Dispose();
        NativeMemory.AlignedFree(_ram);
    }

    /// <summary>Loads a static ELF64 by physical addresses; gives the address of a symbol.</summary>
    public ulong LoadElf(byte[] elf, string symbol)
    {
        Hart.Pc = U64(elf, 24);
        for (int i = 0, at = (int)U64(elf, 32); i < U16(elf, 56); i++, at += U16(elf, 54))
        {
            if (U32(elf, at) == 1)
            {
                elf.AsSpan((int)U64(elf, at + 8), (int)U64(elf, at + 32)).CopyTo(Ram[(int)(U64(elf, at + 24) - RamBase)..]);
            }
        }

        for (int i = 0, at = (int)U64(elf, 40); i < U16(elf, 60); i++, at += U16(elf, 58))
        {
            const int SymbolTable = 2;
            if (U32(elf, at + 4) == SymbolTable)
            {
                int names = (int)U64(elf, (int)U64(elf, 40) + ((int)U32(elf, at + 40) * U16(elf, 58)) + 24);
                int first = (int)U64(elf, at + 24);
                for (int entry = first; entry < first + (int)U64(elf, at + 32); entry += 24)
                {
                    int name = names + (int)U32(elf, entry);
                    if (Encoding.ASCII.GetString(elf, name, Array.IndexOf(elf, (byte)0, name) - name) == symbol)
                    {
                        return U64(elf, entry + 8);
                    }
                }
            }
        }

        throw new InvalidDataException($"no symbol '{symbol}'");
    }

    private static ushort U16(byte[] elf, int at) => BinaryPrimitives.ReadUInt16LittleEndian(elf.AsSpan(at));

    private static uint U32(byte[] elf, int at) => BinaryPrimitives.ReadUInt32LittleEndian(elf.AsSpan(at));

    private static ulong U64(byte[] elf, int at) => BinaryPrimitives.ReadUInt64LittleEndian(elf.AsSpan(at));
}
