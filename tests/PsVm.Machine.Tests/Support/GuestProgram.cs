using PsVm.Riscv.Tests;

namespace PsVm.Machine.Tests.Support;

/// <summary>Writes supervisor programs of a few instructions that run as a kernel on the built-in SBI.</summary>
internal sealed class GuestProgram
{
    private const int Fixed = Asm.T0;
    private const int HeaderSize = 64;

    private readonly List<uint> _code = [];

    /// <summary>A hart that never pauses.</summary>
    public static byte[] Spin => new GuestProgram().Jump(0).ToKernel();

    /// <summary>A hart that does nothing but wait.</summary>
    public static byte[] Wait => new GuestProgram().Emit(Asm.Wfi).Jump(0).ToKernel();

    /// <summary>Number of the next instruction, to jump to.</summary>
    public int Here => _code.Count;

    /// <summary>Guest physical address of the next instruction.</summary>
    public ulong Address => BootFile.KernelStart + HeaderSize + (4 * (ulong)Here);

    public byte[] ToKernel() => BootFile.Image([.. _code]);

    public GuestProgram Emit(params ReadOnlySpan<uint> instructions)
    {
        _code.AddRange(instructions);
        return this;
    }

    /// <summary>Sets a register, eleven bits at a time, always in as many instructions.</summary>
    public GuestProgram Load(int register, ulong value)
    {
        Emit(Asm.Addi(register, Asm.Zero, (int)(value >> 55)));
        for (int shift = 44; shift >= 0; shift -= 11)
        {
            Emit(Asm.Slli(register, register, 11), Asm.Addi(register, register, (int)(value >> shift & 0x7ff)));
        }

        return this;
    }

    public GuestProgram Store32(ulong address, uint value) =>
        Load(Fixed, address).Load(Asm.T1, value).Emit(Asm.Sw(Asm.T1, Fixed, 0));

    /// <summary>Calls the SBI.</summary>
    public GuestProgram Call(ulong extension, ulong function, params ReadOnlySpan<ulong> arguments)
    {
        for (int i = 0; i < arguments.Length; i++)
        {
            Load(Asm.A0 + i, arguments[i]);
        }

        return CallWithRegisters(extension, function);
    }

    /// <summary>Calls the SBI with the arguments that the registers hold.</summary>
    public GuestProgram CallWithRegisters(ulong extension, ulong function) => Load(16, function).Load(17, extension).Emit(Asm.Ecall);

    /// <summary>Stores the time at an address.</summary>
    public GuestProgram StoreTime(ulong address) =>
        Load(Fixed, address).Emit(Asm.Csrrs(Asm.T1, 0xc01, Asm.Zero), Asm.Sd(Asm.T1, Fixed, 0));

    /// <summary>Does something as often as a register says.</summary>
    public GuestProgram Repeat(int counter, Action<GuestProgram> body)
    {
        int loop = Here;
        body(this);
        return Emit(Asm.Addi(counter, counter, -1)).JumpIfDifferent(counter, Asm.Zero, loop);
    }

    /// <summary>Does something, which must not depend on where it stands, when a register is zero.</summary>
    public GuestProgram IfZero(int register, Action<GuestProgram> body)
    {
        GuestProgram measured = new();
        body(measured);
        Emit(Asm.Bne(register, Asm.Zero, (measured.Here + 1) * 4));
        body(this);
        return this;
    }

    /// <summary>Fills up, so that the next instruction has a number that was settled before.</summary>
    public void PadTo(int number)
    {
        Assert.True(Here <= number, $"{Here} instructions are there already");
        while (Here < number)
        {
            Emit(Asm.Nop);
        }
    }

    public GuestProgram Print(char character) => Call(0x4442434e, 2, character);

    public GuestProgram PowerOff() => Call(0x53525354, 0, 0, 0).Jump(Here);

    public GuestProgram Jump(int target) => Emit(Asm.Jal(Asm.Zero, (target - Here) * 4));

    /// <summary>Jumps when two registers differ.</summary>
    public GuestProgram JumpIfDifferent(int first, int second, int target) => Emit(Asm.Bne(first, second, (target - Here) * 4));
}
