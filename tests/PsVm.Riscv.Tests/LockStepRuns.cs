namespace PsVm.Riscv.Tests;

/// <summary>After how many runs a block is translated, and the most that the subject may do before it is compared.</summary>
public sealed class LockStepRuns : TheoryData<int, int>
{
    public LockStepRuns()
    {
        foreach (int threshold in (int[])[1, 3])
        {
            foreach (int maxBudget in (int[])[1, 30, 2000])
            {
                Add(threshold, maxBudget);
            }
        }
    }
}
