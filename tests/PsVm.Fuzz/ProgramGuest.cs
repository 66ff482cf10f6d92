using PsVm.Riscv;
using PsVm.Riscv.Memory;
using PsVm.Riscv.Tests;

namespace PsVm.Fuzz;

/// <summary>
/// Harts that run random programs, each in a mebibyte of RAM of its own, with a mebibyte of read-only memory behind it; no hart reaches
/// another's. There are no devices, and time stands still.
/// </summary>
internal sealed class ProgramGuest : IDeviceBus, IGuestClock, IDisposable
{
    private const ulong Place = 2 * RandomProgram.RamSize;
    private const int Pmpcfg0 = 0x3a0, Pmpaddr0 = 0x3b0;

    private readonly GuardedRam _ram;
    private readonly RandomProgram[] _programs;

    /// <param name="places">Programs that have room.</param>
    /// <param name="harts">The numbers of those whose harts there are.</param>
    /// <param name="code">Where decoded and translated code is kept.</param>
    public ProgramGuest(int places, IEnumerable<int> harts, CodeCache code)
    {
        const ulong lockedNapot = 0x98, allAccess = 7;
        _ram = new GuardedRam([.. Enumerable.Range(0, 2 * places).Select(block => ((ulong)RandomProgram.RamSize, block % 2 == 1))]);
        _programs = [.. Enumerable.Range(0, places).Select(place => new RandomProgram(Start(place)))];
        Harts = harts.ToDictionary(place => place, place => new Hart(place, Memory, this, this, null, code, IsaProfile.Full));
        foreach ((int place, Hart hart) in Harts)
        {
            hart.TryWriteCsr(Pmpaddr0, (Start(place) + (Place / 2) - 1) >> 2);
            hart.TryWriteCsr(Pmpaddr0 + 1, ulong.MaxValue);
            hart.TryWriteCsr(Pmpcfg0, lockedNapot << 8 | lockedNapot | allAccess);
        }
    }

    /// <summary>The harts, by their place.</summary>
    public IReadOnlyDictionary<int, Hart> Harts { get; }

    public PhysicalMemory Memory => _ram.Memory.Physical;

    public ulong Frequency => 10_000_000;

    public ulong Now => 0;

    /// <summary>Guest physical address of a place.</summary>
    public static ulong Start(int place) => TestMachine.RamBase + ((ulong)place * Place);

    public Span<byte> Ram(int place) => _ram.Block(2 * place);

    /// <summary>Puts a program and its hart's state in a place.</summary>
    public unsafe void Prepare(int place, Dice dice, int kind)
    {
        _programs[place].Prepare(Harts[place], Memory, Ram(place), dice, kind);
        Harts[place].State->ReservedHost = 0;
    }

    /// <summary>Makes a place what it is in another guest.</summary>
    public unsafe void CopyFrom(ProgramGuest other, int place)
    {
        Harts[place].Restore(other.Harts[place].Save());
        Harts[place].State->ReservedHost = 0;
        other.Ram(place).CopyTo(Ram(place));
        Memory.NotifyWritten(Start(place), RandomProgram.RamSize);
    }

    /// <exception cref="WrongException">A place's RAM is another than another guest's.</exception>
    public void ThrowIfDifferent(ProgramGuest other, int place) => WrongException.ThrowIfNot(
        Ram(place).SequenceEqual(other.Ram(place)),
        $"RAM of place {place} differs from 0x{Start(place) + (ulong)Ram(place).CommonPrefixLength(other.Ram(place)):x} on");

    public bool TryRead(ulong address, int size, out ulong value)
    {
        value = 0;
        return false;
    }

    public bool TryWrite(ulong address, int size, ulong value) => false;

    public void Dispose()
    {
        foreach (Hart hart in Harts.Values)
        {
            hart.Dispose();
        }

        _ram.Dispose();
    }
}
