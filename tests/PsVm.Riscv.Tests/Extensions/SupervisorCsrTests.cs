using static PsVm.Riscv.Tests.Asm;

namespace PsVm.Riscv.Tests.Extensions;

/// <summary>
/// The CSRs that supervisors use at traps, which translated code reads and writes in line (privileged manual, chapter "Supervisor-Level
/// ISA").
/// </summary>
public class SupervisorCsrTests
{
    private const int Sstatus = 0x100, Sscratch = 0x140, Sepc = 0x141, Scause = 0x142, Stval = 0x143, Mideleg = 0x303, Mie = 0x304,
        Mip = 0x344, Stvec = 0x105;
    private const ulong Sie = 2, Spie = 0x20, Spp = 0x100, Sum = 1 << 18, Mxr = 1 << 19, UserXlen = 2ul << 32, Dirty = 1ul << 63;
    private const ulong Fs = 3ul << 13, Software = 2;

    public static TheoryData<Tier, int> Plain()
    {
        var data = new TheoryData<Tier, int>();
        foreach (Tier tier in Enum.GetValues<Tier>())
        {
            Array.ForEach([Sscratch, Sepc, Scause, Stval], number => data.Add(tier, number));
        }

        return data;
    }

    [SkippableTheory]
    [MemberData(nameof(Plain))]
    public void EveryFormReadsAndWrites(Tier tier, int number)
    {
        const ulong Old = 0xfedc_ba98_7654_3210, Operand = 0x0f0f_00ff_1234_5679;
        ulong lost = number == Sepc ? 1ul : 0;
        using ExtensionMachine machine = new(tier);
        (int Form, int Source, ulong Expected)[] forms =
        [
            (1, A1, Operand), (2, A1, Old | Operand), (3, A1, Old & ~Operand), (1, Zero, 0), (2, Zero, Old), (3, Zero, Old),
            (5, 21, 21), (6, 21, Old | 21), (7, 21, Old & ~21ul), (5, 0, 0), (6, 0, Old), (7, 0, Old),
        ];
        foreach ((int form, int source, ulong expected) in forms)
        {
            foreach (int target in (int[])[A0, A1, Zero, 31])
            {
                machine.Set(number, Old);
                (machine.Hart[A1], machine.Hart[A0], machine.Hart[31]) = (Operand, 5, 6);
                Assert.Equal(
                    0ul, machine.Run(PrivilegeMode.Supervisor, Addi(A2, A2, 1), Asm.Csr(form, target, number, source), Addi(A3, A3, 1)));
                Assert.Equal(expected & ~lost, machine.Get(number));
                Assert.Equal(target == Zero ? 0 : Old, machine.Hart[target]);
                Assert.Equal(machine.Hart[A2], machine.Hart[A3]);
            }
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Plain))]
    public void UsersMayNotAndMachineModeMay(Tier tier, int number)
    {
        using ExtensionMachine machine = new(tier);
        machine.Set(number, 64);
        machine.Hart[A0] = 7;
        Assert.Equal(ExtensionMachine.IllegalInstruction, machine.Run(PrivilegeMode.User, Csrrw(A0, number, A1)));
        Assert.Equal((7ul, 64ul), (machine.Hart[A0], machine.Get(number)));
        Assert.Equal(ExtensionMachine.IllegalInstruction, machine.Run(PrivilegeMode.User, Csrrs(A0, Sstatus, Zero)));
        Assert.Equal(0ul, machine.Run(PrivilegeMode.Supervisor, Csrrs(A0, number, Zero)));
        Assert.Equal(64ul, machine.Hart[A0]);
        machine.Hart[A0] = 0;
        Assert.Equal(0ul, machine.Run(PrivilegeMode.Machine, Csrrs(A0, number, Zero)));
        Assert.Equal(64ul, machine.Hart[A0]);
    }

    [SkippableTheory]
    [InlineData(Tier.Interpreter)]
    [InlineData(Tier.Translator)]
    public void StatusReadsAndWritesWhatSupervisorsSee(Tier tier)
    {
        using ExtensionMachine machine = new(tier);
        const ulong others = 1ul << 7 | 3ul << 11; // MPIE, MPP: not theirs
        const ulong visible = Sie | Spie | Spp | Sum | Mxr | Fs;
        var dice = new Dice(9, 1);
        for (int turn = 0; turn < 200; turn++)
        {
            ulong before = dice.Bits() & visible,
                operand = dice.OneIn(3) ? dice.Bits() : dice.Pick<ulong>([Sie, Sum, Mxr, Fs, Spp, Sum | Fs]);
            int form = dice.Next(1, 4);
            machine.Set(ExtensionMachine.Mstatus, before | others);
            ulong seen = Seen(before);
            ulong written = (form switch { 1 => operand, 2 => seen | operand, _ => seen & ~operand }) & visible;
            machine.Hart[A1] = operand;

            Assert.Equal(0ul, machine.Run(PrivilegeMode.Supervisor, Asm.Csr(form, A0, Sstatus, A1), Csrrs(A2, Sstatus, Zero)));

            Assert.Equal((seen, Seen(written)), (machine.Hart[A0], machine.Hart[A2]));
            Assert.Equal(written | others, machine.Get(ExtensionMachine.Mstatus) & (visible | others));
        }

        static ulong Seen(ulong status) => status | UserXlen | ((status & Fs) == Fs ? Dirty : 0);
    }

    [SkippableTheory]
    [InlineData(Tier.Interpreter)]
    [InlineData(Tier.Translator)]
    public void AnInterruptThatIsDueIsTakenWhereItIsLetIn(Tier tier)
    {
        using ExtensionMachine machine = new(tier);
        const ulong handler = ExtensionMachine.Code + 0x4000;
        foreach (uint let in (uint[])[Asm.Csr(6, Zero, Sstatus, 2), Csrrs(Zero, Sstatus, A1), Csrrw(A0, Sstatus, A1)])
        {
            machine.Machine.Program(handler, Csrrs(A4, Sepc, Zero), Asm.Csr(7, Zero, 0x144, 2), Sret);
            machine.Set(Mideleg, Software);
            machine.Set(Mie, Software);
            machine.Set(Stvec, handler);
            machine.Set(ExtensionMachine.Mstatus, 0);
            machine.Set(Mip, Software);
            (machine.Hart[A1], machine.Hart[A4], machine.Hart[A2]) = (Sie, 0, 0);

            Assert.Equal(0ul, machine.Run(PrivilegeMode.Supervisor, Asm.Csr(7, Zero, Sstatus, 2), Addi(A2, A2, 1), let, Addi(A2, A2, 1)));

            Assert.Equal(ExtensionMachine.Code + 12, machine.Hart[A4]);
            Assert.Equal(2ul, machine.Hart[A2]);
            Assert.Equal(1ul << 63 | 1, machine.Get(Scause));
        }
    }

    [SkippableTheory]
    [InlineData(Tier.Interpreter)]
    [InlineData(Tier.Translator)]
    public void FloatingPointIsOffWhereStatusSaysSo(Tier tier)
    {
        using ExtensionMachine machine = new(tier);
        machine.Set(ExtensionMachine.Mstatus, Fs);
        machine.Hart[A1] = Fs;
        uint fmv = R(0x53, 0, 0x79, 1, A0, 0); // fmv.d.x f1, a0
        Assert.Equal(ExtensionMachine.IllegalInstruction, machine.Run(PrivilegeMode.Supervisor, Csrrc(Zero, Sstatus, A1), fmv));
        Assert.Equal(0ul, machine.Run(PrivilegeMode.Supervisor, Csrrc(Zero, Sstatus, A1), Csrrs(Zero, Sstatus, A1), fmv));
    }
}
