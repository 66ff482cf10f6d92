using PsVm.Riscv.Csr;
using PsVm.Riscv.Decoding;
using PsVm.Riscv.Translation.Units;

namespace PsVm.Riscv;

/// <summary>
/// Runs two harts side by side and compares all that a guest can see of their registers. The subject runs some instructions at once, as
/// units of several blocks need it; the reference follows block by block until it has come as far. The harts need RAM, devices and a
/// clock of their own that behave alike, so that only the tiers differ.
/// </summary>
/// <param name="reference">The hart that is believed, with the interpreter alone.</param>
/// <param name="subject">The hart that is tested.</param>
/// <param name="maxBudget">
/// The subject runs with budgets from 1 to this, in an order that is always the same; 1: block by block.
/// </param>
/// <remarks>
/// Safety: reads the states of two harts that are not disposed of and that nobody else runs; register files are as long as said.
/// </remarks>
public sealed unsafe class LockStep(Hart reference, Hart subject, int maxBudget = 200)
{
    // CSRs that traps and CSR instructions alone change are looked at in one of so many comparisons, and at the end.
    private const int ComparisonsPerCsrs = 16;

    private readonly ulong _maxBudget = maxBudget > 0
        ? (ulong)maxBudget
        : throw new ArgumentOutOfRangeException(nameof(maxBudget), maxBudget, "a budget is at least 1");

    // How far ahead the subject's counters were when both began.
    private readonly ulong _moreRetired = subject.InstructionsRetired - reference.InstructionsRetired;
    private readonly ulong _moreTraps = subject.Traps - reference.Traps;
    private readonly List<ulong> _path = [];
    private ulong _random = 0x9e37_79b9_7f4a_7c15;

    /// <summary>How often the harts were compared.</summary>
    public long Comparisons { get; private set; }

    /// <summary>
    /// Runs both until they have retired so many instructions and taken so many traps more, or somewhat further, both wait for an
    /// interrupt, or they differ.
    /// </summary>
    /// <param name="instructions">Instructions and traps, as <see cref="Hart.Run"/> counts them.</param>
    /// <returns>The first difference, or null.</returns>
    public LockStepDifference? Run(ulong instructions)
    {
        ulong end = Progress(reference) + instructions;
        ulong agreed = reference.Pc;
        while (Progress(reference) < end)
        {
            agreed = reference.Pc;
            ulong begin = Progress(subject), budget = NextBudget();
            HartExit found = subject.Run(budget);
            ulong progress = Progress(subject) - begin;
            HartExit expected = CatchUp(progress);
            Comparisons++;
            string? difference = expected != WithoutPauses(found)
                ? $"the reference left with {expected}, the subject with {found}"
                : CompareStates()
                    ?? CompareBudget(progress, budget, found)
                    ?? (Comparisons % ComparisonsPerCsrs == 0 ? CompareCsrs() : null);
            if (difference is not null)
            {
                return Difference(difference, agreed);
            }

            if (expected == HartExit.WaitForInterrupt)
            {
                break;
            }
        }

        return CompareCsrs() is { } last ? Difference(last, agreed) : null;
    }

    /// <summary>
    /// A hart that pauses over and over leaves when it has done so often enough in one run; the reference's runs are too short for that.
    /// </summary>
    private static HartExit WithoutPauses(HartExit exit) => exit == HartExit.Pause ? HartExit.Budget : exit;

    /// <summary>A trap retires nothing but counts, so no two block boundaries of a run are equally far.</summary>
    private static ulong Progress(Hart hart) => hart.InstructionsRetired + hart.Traps;

    /// <summary>
    /// Lets the reference come as far as the subject. It stops between two blocks only, so a subject that does not is found out.
    /// </summary>
    private HartExit CatchUp(ulong progress)
    {
        ulong end = Progress(reference) + progress;
        var exit = HartExit.Budget;
        _path.Clear();
        do
        {
            _path.Add(reference.Pc);
            exit = reference.Run(1);
        }
        while (exit == HartExit.Budget && Progress(reference) < end);

        return exit;
    }

    private ulong NextBudget()
    {
        _random ^= _random << 13;
        _random ^= _random >> 7;
        _random ^= _random << 17;
        ulong bits = _random >> 32;

        // As many short ones as long ones: a short one ends where a long one would have gone on.
        return 1 + (bits % Math.Max(1, _maxBudget >> (int)(bits >> 28 & 3) * 2));
    }

    private LockStepDifference Difference(string what, ulong agreed) => new(what, agreed, [.. _path], reference.Save(), subject.Save());

    private static string? CompareBudget(ulong progress, ulong budget, HartExit exit) =>
        exit == HartExit.Budget && (progress < budget || progress > budget + LoopFinder.MostOps + BlockDecoder.MaxOps)
            ? $"budget: {budget} instructions and traps, the subject left after {progress}"
            : null;

    private string? CompareStates()
    {
        HartState* wanted = reference.State, got = subject.State;
        if (wanted->Pc != got->Pc || reference.Mode != subject.Mode)
        {
            return $"pc: expected 0x{wanted->Pc:x} in {reference.Mode} mode, found 0x{got->Pc:x} in {subject.Mode} mode";
        }

        ulong retired = got->Retired - _moreRetired, traps = subject.Traps - _moreTraps;
        if (wanted->Retired != retired || reference.Traps != traps)
        {
            return $"retired: expected {wanted->Retired} and {reference.Traps} traps, found {retired} and {traps} traps";
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
        foreach (int number in CsrFile.Saved)
        {
            ulong wanted = reference.Csrs.Save(number, reference.Mmu.Pmp), got = subject.Csrs.Save(number, subject.Mmu.Pmp);
            if (wanted != got)
            {
                return $"CSR 0x{number:x3}: expected 0x{wanted:x}, found 0x{got:x}";
            }
        }

        return null;
    }
}

/// <summary>Where two harts part.</summary>
/// <param name="What">The first thing that differs.</param>
/// <param name="Agreed">The pc at which they were last found to agree.</param>
/// <param name="Path">
/// Where the blocks began that the reference ran since then, the first at <paramref name="Agreed"/>. The difference arose in one of them;
/// a difference of CSRs possibly earlier, for these are not looked at each time.
/// </param>
/// <param name="Expected">The reference after them.</param>
/// <param name="Found">The subject, having come as far.</param>
public sealed record LockStepDifference(
    string What, ulong Agreed, IReadOnlyList<ulong> Path, HartSnapshot Expected, HartSnapshot Found)
{
    /// <inheritdoc/>
    public override string ToString() =>
        $"{What}; they agreed at 0x{Agreed:x}, since then the reference ran the blocks {string.Join(", ", Path.Select(pc => $"0x{pc:x}"))}";
}
