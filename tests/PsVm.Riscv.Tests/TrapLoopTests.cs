using static PsVm.Riscv.Tests.Asm;

namespace PsVm.Riscv.Tests;

/// <summary>Guests that do nothing but trap and return use up their budget, and hear what others ask of them.</summary>
public unsafe class TrapLoopTests
{
    private const ulong Code = TestMachine.RamBase, Handler = Code + 0x9000;
    private const int Stvec = 0x105, Scause = 0x142, Medeleg = 0x302, Mideleg = 0x303, Mie = 0x304;
    private const uint LoadFromZero = 0x0000_3503; // ld a0, 0(x0)
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    public static TheoryData<int, uint, uint> Loops()
    {
        var data = new TheoryData<int, uint, uint>();
        foreach (int threshold in (int[])[int.MaxValue, 1, 24])
        {
            data.Add(threshold, Ecall, Sret);
            data.Add(threshold, LoadFromZero, Sret);
            data.Add(threshold, Ecall, LoadFromZero); // the handler traps at once, and nothing is retired
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Loops))]
    public void ABudgetEndsThem(int threshold, uint program, uint handler)
    {
        const ulong Budget = 100_001;
        using var code = new CodeCache(new TranslatorOptions { Threshold = threshold });
        using TestMachine machine = Machine(code, program, handler);
        Assert.Equal(HartExit.Budget, machine.Hart.Run(Budget));
        Assert.InRange(machine.Hart.Traps + machine.Hart.InstructionsRetired, Budget, Budget + 2);
        Assert.InRange(machine.Hart.Traps, Budget / 3, Budget);
    }

    [Theory]
    [MemberData(nameof(Loops))]
    public void TheyHearRequests(int threshold, uint program, uint handler)
    {
        using var code = new CodeCache(new TranslatorOptions { Threshold = threshold });
        using TestMachine machine = Machine(code, program, handler);
        HartExit? exit = null;
        var runner = new Thread(() => exit = machine.Hart.Run(ulong.MaxValue / 2));
        runner.Start();
        Assert.True(SpinWait.SpinUntil(() => machine.Hart.Traps > 1000, Patience));
        machine.Hart.RequestExit();
        Assert.True(runner.Join(Patience));
        Assert.Equal(HartExit.Requested, exit);
    }

    [Theory]
    [InlineData(int.MaxValue, Ecall)]
    [InlineData(1, Ecall)]
    [InlineData(24, Ecall)]
    [InlineData(1, LoadFromZero)]
    public void AnInterruptThatAnotherThreadRaisesIsTaken(int threshold, uint program)
    {
        const InterruptLines Software = InterruptLines.SupervisorSoftware;
        using var code = new CodeCache(new TranslatorOptions { Threshold = threshold });
        using TestMachine machine = Machine(code, program, Csrrs(T0, Scause, 0), Branch(4, T0, Zero, 8), Sret, Jal(Zero, 0));
        machine.Hart.TryWriteCsr(Mideleg, (ulong)Software);
        machine.Hart.TryWriteCsr(Mie, (ulong)Software);
        HartExit? exit = null;
        var runner = new Thread(() => exit = machine.Hart.Run(ulong.MaxValue / 2));
        runner.Start();
        Assert.True(SpinWait.SpinUntil(() => machine.Hart.Traps > 1000, Patience));
        machine.Hart.SetInterrupt(Software, level: true);
        Assert.True(SpinWait.SpinUntil(() => machine.Hart.State->Scause == (1ul << 63 | 1), Patience));
        machine.Hart.RequestExit();
        Assert.True(runner.Join(Patience));
        Assert.Equal(HartExit.Requested, exit);

        // It may have been asked at any instruction of the handler, which ends in a loop.
        machine.Hart.Run(10);
        Assert.Equal(Handler + 12, machine.Hart.Pc);
    }

    /// <summary>A program of user mode, and supervisor mode's handler, to which all is delegated.</summary>
    private static TestMachine Machine(CodeCache code, uint program, params uint[] handler)
    {
        var machine = new TestMachine(code: code) { FixedTime = 0 };
        machine.Program(Code, program, Jal(Zero, -4)).Program(Handler, handler);
        machine.Hart.TryWriteCsr(Stvec, Handler);
        machine.Hart.TryWriteCsr(Medeleg, ulong.MaxValue);
        machine.Hart.TryWriteCsr(0x3b0, ulong.MaxValue);
        machine.Hart.TryWriteCsr(0x3a0, 0x1f);
        machine.Hart.Mode = PrivilegeMode.User;
        return machine;
    }
}
