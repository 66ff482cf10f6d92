using System.Buffers.Binary;
using static PsVm.Riscv.Tests.Asm;

namespace PsVm.Riscv.Tests.Extensions;

/// <summary>
/// Svvptc: pages that were not there, and whose faults make them valid without a fence, are there at once (privileged manual, chapter
/// "Svvptc Extension for Obviating Memory-Management Instructions after Marking PTEs Valid"). Every second page of a window is missing; two
/// laps over it fault once for each.
/// </summary>
public sealed class NewPagesTests
{
    private const ulong Tables = TestMachine.RamBase + 0x100000, Leaves = Tables + 0x2000, Pages = TestMachine.RamBase + 0x200000;
    private const ulong Code = TestMachine.RamBase, Handler = Code + 0x8000, Window = 0x4000_0000, Flags = 0xcf;
    private const int Count = 40, Laps = 2, Satp = 0x180, Mtvec = 0x305, Mtval = 0x343, Pmpcfg0 = 0x3a0, Pmpaddr0 = 0x3b0;
    private const int Ra = 1, S2 = 18, S3 = 19, S4 = 20, S5 = 21, S6 = 22, S7 = 23, T3 = 28;

    /// <summary>What a lap does with a page.</summary>
    public enum Use
    {
        Load,
        Store,
        LoadBesideOthers,
        Jump,
        JumpToWhatCrossesIntoIt,
    }

    public static TheoryData<int, Use> Runs()
    {
        var data = new TheoryData<int, Use>();
        foreach (int threshold in (int[])[1, 3, int.MaxValue])
        {
            foreach (Use use in Enum.GetValues<Use>())
            {
                data.Add(threshold, use);
            }
        }

        return data;
    }

    [SkippableTheory]
    [MemberData(nameof(Runs))]
    public void APageFaultsOnceAndIsThereWithoutAFence(int threshold, Use use)
    {
        Skip.IfNot(threshold == int.MaxValue || Translation.HostBackEnd.IsSupported, "this host runs no translated code");
        using CodeCache decoded = new(TranslatorOptions.Off);
        using CodeCache translated = new(
            threshold == int.MaxValue ? TranslatorOptions.Off : new TranslatorOptions { Threshold = threshold });
        using TestMachine reference = Make(decoded, use), subject = Make(translated, use);

        LockStepDifference? difference = new LockStep(reference.Hart, subject.Hart, 40).Run(5000);

        Assert.True(difference is null, $"{difference}");
        Assert.Equal((0ul, (ulong)Count), (subject.Hart[S4], subject.Hart[S6]));
        Assert.Equal(use is Use.Store or Use.LoadBesideOthers ? 0ul : Count * Laps, subject.Hart[A2]);
    }

    private static TestMachine Make(CodeCache code, Use use)
    {
        TestMachine machine = new(code: code, isa: IsaProfile.Full) { FixedTime = 0 };
        uint[] lap =
        [
            Addi(A0, S2, 0),
            Addi(A3, Zero, Count),
            .. Access(use),
            Add(A0, A0, S3),
            Addi(A3, A3, -1),
            Bne(A3, Zero, -16),
            Addi(S4, S4, -1),
            Bne(S4, Zero, -32),
            Wfi,
        ];
        machine.Program(Code, [.. lap, Jal(Zero, -4)]);

        // t0 = the entry of the page that is missing; it becomes valid, and the instruction runs again.
        uint shiftRight = Slli(T0, T0, 12) | 4 << 12;
        machine.Program(
            Handler, Csrrs(T0, Mtval, Zero), shiftRight, R(0x33, 7, 0, T0, T0, S7), Slli(T0, T0, 3), Add(T1, T0, S5), Ld(T2, T1, 0),
            Addi(T2, T2, 1), Sd(T2, T1, 0),
            Addi(S6, S6, 1), Mret);
        machine.WriteRam(Tables + (2 * 8), Entry(TestMachine.RamBase, Flags));
        machine.WriteRam(Tables + (1 * 8), Entry(Tables + 0x1000, 1));
        machine.WriteRam(Tables + 0x1000, Entry(Leaves, 1));
        for (ulong page = 0; page < 2 * Count; page++)
        {
            ulong physical = Pages + (page << 12);
            machine.WriteRam(Leaves + (page * 8), Entry(physical, Flags - (page & 1)));
            Fill(machine, physical, use);
        }

        Hart hart = machine.Hart;
        hart.TryWriteCsr(Pmpaddr0, ulong.MaxValue);
        hart.TryWriteCsr(Pmpcfg0, 0x1f);
        hart.TryWriteCsr(Mtvec, Handler);
        hart.TryWriteCsr(Satp, 8ul << 60 | Tables >> 12);
        hart.Mode = PrivilegeMode.Supervisor;
        (hart[S2], hart[S3], hart[S4]) = (Window + (use == Use.JumpToWhatCrossesIntoIt ? 0xffeul : 0x1000), 0x2000, Laps);
        (hart[S5], hart[S7]) = (Leaves, 511);
        return machine;
    }

    private static uint[] Access(Use use) => use switch
    {
        Use.Load => [Ld(T3, A0, 16), Add(A2, A2, T3)],
        Use.Store => [Sd(A3, A0, 16), Nop],
        Use.LoadBesideOthers => [Ld(T0, A0, 24), Ld(T3, A0, 16)],
        _ => [Jalr(Ra, A0, 0), Nop],
    };

    private static void Fill(TestMachine machine, ulong page, Use use)
    {
        uint count = Addi(A2, A2, 1), back = Jalr(Zero, Ra, 0);
        switch (use)
        {
            case Use.Jump:
                machine.Program(page, count, back);
                break;
            case Use.JumpToWhatCrossesIntoIt:
                Span<byte> ram = machine.Ram[(int)(page - TestMachine.RamBase)..];
                BinaryPrimitives.WriteUInt16LittleEndian(ram, (ushort)(count >> 16));
                BinaryPrimitives.WriteUInt32LittleEndian(ram[2..], back);
                BinaryPrimitives.WriteUInt16LittleEndian(ram[0xffe..], (ushort)count);
                break;
            default:
                machine.WriteRam(page + 16, 1);
                break;
        }
    }

    private static ulong Entry(ulong page, ulong flags) => page >> 12 << 10 | flags;
}
