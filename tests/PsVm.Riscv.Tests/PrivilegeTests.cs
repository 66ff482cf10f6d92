using static PsVm.Riscv.Tests.Asm;

namespace PsVm.Riscv.Tests;

/// <summary>Traps, interrupts, timers and who may name which CSR (privileged manual, chapters 2, 3 and 12).</summary>
public class PrivilegeTests
{
    private const ulong Code = TestMachine.RamBase, MachineHandler = Code + 0x8000, SupervisorHandler = Code + 0x9000;
    private const int Mstatus = 0x300, Misa = 0x301, Medeleg = 0x302, Mideleg = 0x303, Mie = 0x304, Mtvec = 0x305, Mcounteren = 0x306;
    private const int Menvcfg = 0x30a, Mepc = 0x341, Mcause = 0x342, Mip = 0x344, Mcountinhibit = 0x320, Mcycle = 0xb00, Minstret = 0xb02;
    private const int Stvec = 0x105, Sie = 0x104, Sepc = 0x141, Scause = 0x142, Sip = 0x144, Satp = 0x180, Stimecmp = 0x14d,
        Sstatus = 0x100;
    private const uint LoadFromZero = 0x0000_3503; // ld a0, 0(x0)
    private const ulong MachineEnable = 1 << 3, SupervisorEnable = 1 << 1, TimerCompareEnable = 1ul << 63;

    public enum Outcome
    {
        Allowed,
        Illegal,
    }

    [Fact]
    public void EcallGoesToTheModeItIsDelegatedTo()
    {
        using TestMachine machine = Machine();
        machine.Program(Code, Ecall);
        Set(machine, Medeleg, 1 << 8);
        machine.Hart.Mode = PrivilegeMode.User;
        machine.Hart.Run(1);
        Assert.Equal((PrivilegeMode.Supervisor, 8ul, Code), (machine.Hart.Mode, Get(machine, Scause), Get(machine, Sepc)));
    }

    [Fact]
    public void MachineModeTrapsAreNeverDelegated()
    {
        using TestMachine machine = Machine();
        machine.Program(Code, Ebreak);
        Set(machine, Medeleg, 1 << 3);
        machine.Hart.Run(1);
        Assert.Equal((PrivilegeMode.Machine, 3ul), (machine.Hart.Mode, Get(machine, Mcause)));
    }

    [Fact]
    public void EnvironmentAnswersEcallFromSupervisorMode()
    {
        var environment = new AddingEnvironment();
        using var machine = new TestMachine(environment: environment);
        machine.Program(Code, Ecall, Jal(Zero, 0));
        machine.Hart.Mode = PrivilegeMode.Supervisor;
        machine.Hart[A0] = 41;
        machine.Hart.Run(2);
        Assert.Equal((42ul, Code + 4), (machine.Hart[A0], machine.Hart.Pc));
    }

    [Fact]
    public void VectoredInterruptsGoToTheirOwnEntry()
    {
        using TestMachine machine = Machine();
        Set(machine, Mtvec, MachineHandler | 1);
        Set(machine, Mie, (ulong)InterruptLines.MachineExternal);
        Set(machine, Mstatus, MachineEnable);
        machine.Program(Code, Jal(Zero, 0));
        machine.Hart.SetInterrupt(InterruptLines.MachineExternal, true);
        machine.Hart.Run(0);
        Assert.Equal((MachineHandler + 44, 1ul << 63 | 11, Code), (machine.Hart.Pc, Get(machine, Mcause), Get(machine, Mepc)));
    }

    [Theory]
    [InlineData(InterruptLines.MachineExternal | InterruptLines.MachineSoftware | InterruptLines.SupervisorExternal, 11)]
    [InlineData(InterruptLines.MachineSoftware | InterruptLines.SupervisorExternal, 3)]
    [InlineData(InterruptLines.SupervisorExternal | InterruptLines.SupervisorSoftware, 9)]
    [InlineData(InterruptLines.SupervisorSoftware, 1)]
    public void TheMostUrgentInterruptComesFirst(InterruptLines lines, ulong cause)
    {
        using TestMachine machine = Machine();
        Set(machine, Mie, 0xaaa);
        Set(machine, Mstatus, MachineEnable);
        machine.Hart.SetInterrupt(lines, true);
        machine.Hart.Run(0);
        Assert.Equal(1ul << 63 | cause, Get(machine, Mcause));
    }

    [Theory]
    [InlineData(PrivilegeMode.User, false, true)]
    [InlineData(PrivilegeMode.Supervisor, false, false)]
    [InlineData(PrivilegeMode.Supervisor, true, true)]
    [InlineData(PrivilegeMode.Machine, true, false)]
    public void DelegatedInterruptsWaitForTheirModeToEnableThem(PrivilegeMode mode, bool enabled, bool taken)
    {
        using TestMachine machine = Machine();
        Set(machine, Mideleg, (ulong)InterruptLines.SupervisorExternal);
        Set(machine, Mie, (ulong)InterruptLines.SupervisorExternal);
        Set(machine, Mstatus, MachineEnable | (enabled ? SupervisorEnable : 0));
        machine.Hart.Mode = mode;
        machine.Hart.SetInterrupt(InterruptLines.SupervisorExternal, true);
        machine.Hart.Run(0);
        Assert.Equal(taken ? SupervisorHandler : Code, machine.Hart.Pc);
    }

    [Fact]
    public void TimerInterruptComesWhenItsTimeHasCome()
    {
        using TestMachine machine = Machine();
        machine.FixedTime = 99;
        machine.Hart.MachineTimerCompare = 100;
        Set(machine, Mie, (ulong)InterruptLines.MachineTimer);
        Set(machine, Mstatus, MachineEnable);
        machine.Program(Code, Wfi, Jal(Zero, 0));
        Assert.Equal(HartExit.WaitForInterrupt, machine.Hart.Run(100));
        Assert.Equal((100ul, false), (machine.Hart.NextTimer, machine.Hart.HasWakeup));
        machine.FixedTime = 100;
        Assert.True(machine.Hart.HasWakeup);
        machine.Hart.Run(0);
        Assert.Equal((1ul << 63 | 7, Code + 4), (Get(machine, Mcause), Get(machine, Mepc)));
    }

    [Fact]
    public void SupervisorTimerNeedsItsEnable()
    {
        using TestMachine machine = Machine();
        machine.FixedTime = 50;
        Set(machine, Stimecmp, 40);
        Assert.Equal(0ul, Get(machine, Mip));
        Set(machine, Menvcfg, TimerCompareEnable);
        Assert.Equal((ulong)InterruptLines.SupervisorTimer, Get(machine, Mip));
        Set(machine, Stimecmp, 60);
        Assert.Equal(0ul, Get(machine, Mip));
    }

    [Fact]
    public void WaitingHartGoesOnAtOnceWhenAnInterruptIsPending()
    {
        using TestMachine machine = Machine();
        Set(machine, Mie, (ulong)InterruptLines.MachineSoftware);
        machine.Hart.SetInterrupt(InterruptLines.MachineSoftware, true);
        machine.Program(Code, Wfi, Jal(Zero, 0));
        Assert.Equal(HartExit.Budget, machine.Hart.Run(10));
        Assert.Equal(Code + 4, machine.Hart.Pc);
    }

    [Fact]
    public void ReadModifyWriteOfMipDoesNotLatchTheExternalLine()
    {
        using TestMachine machine = Machine();
        machine.Hart.SetInterrupt(InterruptLines.SupervisorExternal, true);
        machine.Program(Code, Csrrs(A0, Mip, A1), Jal(Zero, 0));
        machine.Hart[A1] = (ulong)InterruptLines.SupervisorSoftware;
        machine.Hart.Run(2);
        machine.Hart.SetInterrupt(InterruptLines.SupervisorExternal, false);
        Assert.Equal((ulong)InterruptLines.SupervisorSoftware, Get(machine, Mip));
        Assert.Equal((ulong)InterruptLines.SupervisorExternal, machine.Hart[A0]);
    }

    // What is pending before, what a1 holds, what is read and what is pending then; the external interrupt is written, no line.
    [Theory]
    [InlineData(1, Mip, 0x202, 0x222, 0x202, 0x222)]
    [InlineData(1, Mip, 0x202, 0, 0x202, 0)]
    [InlineData(2, Mip, 0x202, 0x020, 0x202, 0x222)]
    [InlineData(2, Mip, 0x000, 0xaaa, 0x000, 0x222)] // machine mode's are the devices'
    [InlineData(3, Mip, 0x222, 0x200, 0x222, 0x022)]
    [InlineData(1, Sip, 0x202, 0, 0x202, 0x200)]
    [InlineData(2, Sip, 0x200, 0xaaa, 0x200, 0x202)]
    [InlineData(3, Sip, 0x222, 0xaaa, 0x222, 0x220)]
    public void PendingBitsAreReadAndWrittenByThoseWhoMay(int funct3, int number, int before, int operand, int read, int after)
    {
        using TestMachine machine = Machine();
        Set(machine, Mideleg, 0x222);
        Set(machine, Mip, (ulong)before);
        machine.Program(Code, Asm.Csr(funct3, A0, number, A1), Jal(Zero, 0));
        machine.Hart[A1] = (ulong)operand;
        machine.Hart.Run(2);
        Assert.Equal(((ulong)read, (ulong)after), (machine.Hart[A0], Get(machine, Mip)));
    }

    [Fact]
    public void PendingBitsThatAreNotDelegatedAreNotTheSupervisors()
    {
        using TestMachine machine = Machine();
        Set(machine, Mip, 0x222);
        machine.Program(Code, Csrrc(A0, Sip, A1), Jal(Zero, 0));
        machine.Hart[A1] = 0x222;
        machine.Hart.Run(2);
        Assert.Equal((0ul, 0x222ul), (machine.Hart[A0], Get(machine, Mip)));
    }

    [Fact]
    public void TheTimersPendingBitIsTheComparatorsOnceThereIsOne()
    {
        using TestMachine machine = Machine();
        Set(machine, Menvcfg, TimerCompareEnable);
        machine.Program(Code, Csrrs(A0, Mip, A1), Jal(Zero, 0));
        machine.Hart[A1] = (ulong)InterruptLines.SupervisorTimer;
        machine.Hart.Run(2);
        Set(machine, Menvcfg, 0);
        Assert.Equal(0ul, Get(machine, Mip));
    }

    [Theory]
    [InlineData(Mstatus, PrivilegeMode.Supervisor, Outcome.Illegal)]
    [InlineData(Sstatus, PrivilegeMode.Supervisor, Outcome.Allowed)]
    [InlineData(Sstatus, PrivilegeMode.User, Outcome.Illegal)]
    [InlineData(0x7c0, PrivilegeMode.Machine, Outcome.Illegal)]
    [InlineData(0xc00, PrivilegeMode.Supervisor, Outcome.Illegal)] // mcounteren is 0
    [InlineData(0xf14, PrivilegeMode.Machine, Outcome.Allowed)]
    [InlineData(Stimecmp, PrivilegeMode.Supervisor, Outcome.Illegal)] // menvcfg.STCE is 0
    [InlineData(1, PrivilegeMode.Machine, Outcome.Illegal)] // the unit is off
    public void CsrsAreReadByThoseWhoMay(int number, PrivilegeMode mode, Outcome outcome)
    {
        using TestMachine machine = Machine();
        machine.Program(Code, Csrrs(A0, number, Zero), Jal(Zero, 0));
        machine.Hart.Mode = mode;
        machine.Hart.Run(2);
        Assert.Equal(outcome == Outcome.Illegal ? 2ul : 0, Get(machine, Mcause));
    }

    [Fact]
    public void ReadOnlyCsrsCannotBeWritten()
    {
        using TestMachine machine = Machine();
        machine.Program(Code, Csrrw(A0, 0xf14, A1));
        machine.Hart.Run(1);
        Assert.Equal(2ul, Get(machine, Mcause));
        Assert.False(machine.Hart.TryWriteCsr(0xf14, 1));
    }

    [Theory]
    [InlineData(20, 0x12000073u)] // TVM: sfence.vma
    [InlineData(20, 0x18002573u)] // TVM: csrr a0, satp
    [InlineData(21, Wfi)] // TW
    [InlineData(22, Sret)] // TSR
    public void MachineModeCanTrapWhatSupervisorModeDoes(int statusBit, uint instruction)
    {
        foreach (bool set in new[] { false, true })
        {
            using TestMachine machine = Machine();
            machine.Program(Code, instruction);
            Set(machine, Sepc, Code + 0x100);
            Set(machine, Mstatus, set ? 1ul << statusBit : 0);
            machine.Hart.Mode = PrivilegeMode.Supervisor;
            machine.Hart.Run(1);
            Assert.Equal(set ? 2ul : 0, Get(machine, Mcause));
        }
    }

    [Theory]
    [InlineData(Mret, PrivilegeMode.Supervisor)]
    [InlineData(Sret, PrivilegeMode.User)]
    [InlineData(Wfi, PrivilegeMode.User)]
    [InlineData(0x12000073u, PrivilegeMode.User)]
    public void LowerModesCannotExecuteWhatIsNotTheirs(uint instruction, PrivilegeMode mode)
    {
        using TestMachine machine = Machine();
        machine.Program(Code, instruction);
        machine.Hart.Mode = mode;
        machine.Hart.Run(1);
        Assert.Equal(2ul, Get(machine, Mcause));
    }

    [Fact]
    public void MretReturnsToTheModeInMppAndClearsMprv()
    {
        using TestMachine machine = Machine();
        machine.Program(Code, Mret);
        Set(machine, Mepc, Code + 0x101);
        Set(machine, Mstatus, 1ul << 17 | 1ul << 11 | 1ul << 7);
        machine.Hart.Run(1);
        Assert.Equal((Code + 0x100, PrivilegeMode.Supervisor), (machine.Hart.Pc, machine.Hart.Mode));
        Assert.Equal(MachineEnable | 1ul << 7 | 0xaul << 32, Get(machine, Mstatus));
    }

    [Theory]
    [InlineData(Satp, 7ul << 60, 0ul)] // no such mode: nothing is written
    [InlineData(Satp, 9ul << 60 | 5, 9ul << 60 | 5)]
    [InlineData(Mtvec, 0x8000_0003ul, 0x8000_0001ul)]
    [InlineData(Mepc, 0x8000_0003ul, 0x8000_0002ul)]
    [InlineData(Mideleg, ulong.MaxValue, 0x222ul)]
    [InlineData(Mie, ulong.MaxValue, 0xaaaul)]
    [InlineData(Misa, 0ul, 0x8000_0000_0014_112ful)]
    [InlineData(Mstatus, 2ul << 11, 0xaul << 32)] // MPP has no mode 2
    public void IllegalValuesLeaveLegalOnes(int number, ulong written, ulong expected)
    {
        using TestMachine machine = Machine();
        Set(machine, number, written);
        Assert.Equal(expected, Get(machine, number));
    }

    [Fact]
    public void SupervisorSeesAndSetsOnlyWhatIsDelegated()
    {
        using TestMachine machine = Machine();
        Set(machine, Mideleg, (ulong)InterruptLines.SupervisorSoftware);
        Set(machine, Sie, ulong.MaxValue);
        Assert.Equal((ulong)InterruptLines.SupervisorSoftware, Get(machine, Mie));
        Set(machine, Mip, (ulong)(InterruptLines.SupervisorSoftware | InterruptLines.SupervisorExternal));
        Assert.Equal((ulong)InterruptLines.SupervisorSoftware, Get(machine, Sip));
        Set(machine, Sip, 0);
        Assert.Equal((ulong)InterruptLines.SupervisorExternal, Get(machine, Mip));
    }

    [Fact]
    public void CountersCanBeSetAndHeld()
    {
        using TestMachine machine = Machine();
        machine.Program(Code, Csrrw(Zero, Minstret, A1), Csrrs(A0, Minstret, Zero), Nop, Csrrs(A2, Minstret, Zero), Jal(Zero, 0));
        machine.Hart[A1] = 1000;
        machine.Hart.Run(4);
        Assert.Equal((1000ul, 1002ul), (machine.Hart[A0], machine.Hart[A2]));
        Set(machine, Mcountinhibit, 1);
        ulong cycles = Get(machine, Mcycle), instructions = Get(machine, Minstret);
        machine.Hart.Run(10);
        Assert.Equal((cycles, instructions + 10), (Get(machine, Mcycle), Get(machine, Minstret)));
    }

    [Theory]
    [InlineData(0ul, Nop, int.MaxValue)] // cannot be fetched
    [InlineData(0ul, Nop, 1)]
    [InlineData(MachineHandler, Ebreak, int.MaxValue)]
    [InlineData(MachineHandler, Ebreak, 1)]
    [InlineData(MachineHandler, LoadFromZero, int.MaxValue)]
    [InlineData(MachineHandler, LoadFromZero, 1)] // in translated code
    [InlineData(MachineHandler, LoadFromZero, 24)]
    public void ATrapHandlerThatTrapsUsesUpTheBudget(ulong handler, uint instruction, int threshold)
    {
        using var code = new CodeCache(new TranslatorOptions { Threshold = threshold });
        using TestMachine machine = Machine(code);
        machine.Program(Code, Ebreak).Program(MachineHandler, instruction);
        Set(machine, Mtvec, handler);
        Assert.Equal(HartExit.Budget, machine.Hart.Run(100_000));
        Assert.Equal((handler, 100_000ul, 0ul), (machine.Hart.Pc, machine.Hart.Traps, machine.Hart.InstructionsRetired));
    }

    [Fact]
    public void RequestsFromOtherThreadsEndARun()
    {
        using TestMachine machine = Machine();
        machine.Program(Code, Jal(Zero, 0));
        HartExit? exit = null;
        var runner = new Thread(() => exit = machine.Hart.Run(ulong.MaxValue / 2));
        runner.Start();
        Assert.True(SpinWait.SpinUntil(() => machine.Hart.InstructionsRetired > 1000, TimeSpan.FromSeconds(30)));
        machine.Hart.RequestExit();
        Assert.True(runner.Join(TimeSpan.FromSeconds(30)));
        Assert.Equal(HartExit.Requested, exit);
    }

    [Fact]
    public void InterruptFromAnotherThreadReachesARunningHart()
    {
        using TestMachine machine = Machine();
        Set(machine, Mie, (ulong)InterruptLines.MachineSoftware);
        Set(machine, Mstatus, MachineEnable);
        machine.Program(Code, Jal(Zero, 0));
        var raiser = new Thread(() =>
        {
            SpinWait.SpinUntil(() => machine.Hart.InstructionsRetired > 1000);
            machine.Hart.SetInterrupt(InterruptLines.MachineSoftware, true);
        });
        raiser.Start();
        while (Get(machine, Mcause) == 0)
        {
            machine.Hart.Run(1_000_000);
        }

        raiser.Join();
        Assert.Equal(1ul << 63 | 3, Get(machine, Mcause));
    }

    private static TestMachine Machine(CodeCache? code = null)
    {
        var machine = new TestMachine(code: code);
        machine.Program(MachineHandler, Jal(Zero, 0)).Program(SupervisorHandler, Jal(Zero, 0));
        Set(machine, Mtvec, MachineHandler);
        Set(machine, Stvec, SupervisorHandler);
        return machine;
    }

    private static void Set(TestMachine machine, int number, ulong value) => Assert.True(machine.Hart.TryWriteCsr(number, value));

    private static ulong Get(TestMachine machine, int number)
    {
        Assert.True(machine.Hart.TryReadCsr(number, out ulong value));
        return value;
    }

    private sealed class AddingEnvironment : IExecutionEnvironment
    {
        public bool TryHandleCall(Hart hart)
        {
            hart[A0]++;
            return true;
        }
    }
}
