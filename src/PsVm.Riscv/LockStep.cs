namespace PsVm.Riscv;

/// <summary>
/// Runs two harts side by side, block by block, and compares all that a guest can see of them. The harts need RAM, devices and a clock
/// of their own that behave alike, so that only the tiers differ.
/// </summary>
/// <param name="reference">The hart that is believed, with the interpreter alone.</param>
/// <param name="subject">The hart that is tested.</param>
public sealed unsafe class LockStep(Hart reference, Hart subject)
{
    // CSRs that traps and CSR instructions alone change are compared this often, in blocks, and wherever the modes differ.
    private const int BlocksPerSnapshot = 32;

    /// <summary>Blocks that were compared.</summary>
    public long Blocks { get; private set; }

    /// <summary>Runs both until they have retired so many instructions more, both wait for an interrupt, or they differ.</summary>
    /// <returns>The first difference, or null.</returns>
    public LockStepDifference? Run(ulong instructions)
    {
        ulong end = reference.InstructionsRetired + instructions;
        ulong steps = 0;
        while (reference.InstructionsRetired < end && steps++ < instructions)
        {
            ulong block = reference.Pc;
            HartExit expected = reference.Run(1), found = subject.Run(1);
            Blocks++;
            string? difference = expected != found
                ? $"the reference left with {expected}, the subject with {found}"
                : CompareStates() ?? (Blocks % BlocksPerSnapshot == 0 ? CompareCsrs() : null);
            if (difference is not null)
            {
                return new LockStepDifference(difference, block, reference.Save(), subject.Save());
            }

            if (expected == HartExit.WaitForInterrupt)
            {
                break;
            }
        }

        return CompareCsrs() is { } last ? new LockStepDifference(last, reference.Pc, reference.Save(), subject.Save()) : null;
    }

    private string? CompareStates()
    {
        HartState* wanted = reference.State, got = subject.State;
        if (wanted->Pc != got->Pc || reference.Mode != subject.Mode)
        {
            return $"pc: expected 0x{wanted->Pc:x} in {reference.Mode} mode, found 0x{got->Pc:x} in {subject.Mode} mode";
        }

        if (wanted->Retired != got->Retired)
        {
            return $"retired: expected {wanted->Retired}, found {got->Retired}";
        }

        return CompareRegisters("x", new(wanted->X, 32), new(got->X, 32))
            ?? CompareRegisters("f", new(wanted->F, 32), new(got->F, 32))
            ?? CompareRegisters(
                "fflags, frm and FS: field ",
                [wanted->FloatFlags, wanted->FloatRounding, wanted->FloatStatus],
                [got->FloatFlags, got->FloatRounding, got->FloatStatus]);
    }

    private static string? CompareRegisters(string kind, ReadOnlySpan<ulong> wanted, ReadOnlySpan<ulong> got)
    {
        int same = wanted.CommonPrefixLength(got);
        return same == wanted.Length ? null : $"{kind}{same}: expected 0x{wanted[same]:x}, found 0x{got[same]:x}";
    }

    private string? CompareCsrs()
    {
        IReadOnlyList<KeyValuePair<int, ulong>> wanted = reference.Save().Csrs, got = subject.Save().Csrs;
        for (int i = 0; i < wanted.Count; i++)
        {
            if (wanted[i].Value != got[i].Value)
            {
                return $"CSR 0x{wanted[i].Key:x3}: expected 0x{wanted[i].Value:x}, found 0x{got[i].Value:x}";
            }
        }

        return null;
    }
}

/// <summary>Where two harts part.</summary>
/// <param name="What">The first thing that differs.</param>
/// <param name="Block">Where the block began.</param>
/// <param name="Expected">The reference after it.</param>
/// <param name="Found">The subject after it.</param>
public sealed record LockStepDifference(string What, ulong Block, HartSnapshot Expected, HartSnapshot Found)
{
    /// <inheritdoc/>
    public override string ToString() => $"{What}; the block began at 0x{Block:x}";
}
