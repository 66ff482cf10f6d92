using System.Diagnostics;
using PsVm.Machine.Tests.Support;
using PsVm.Memory.Tests.Support;

namespace PsVm.Machine.Tests.Overcommit;

/// <summary>Real memory that runs out, in a process and a control group of its own, which the kernel would kill.</summary>
[Collection(HostCollection.Name)]
public sealed class OvercommitTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [SkippableFact]
    public void One_of_200_clones_that_runs_away_in_a_group_of_2_GiB_is_suspended_and_199_live()
    {
        using MemoryGroup group = MemoryGroup.Make("overcommit", 2L << 30);

        string[] lines = group.Run(typeof(OvercommitTests).Assembly.Location, OvercommitProgram.Argument, _folder.Path);

        Assert.Equal("reserve: 64", lines[0]);
        Assert.Matches(
            @"^c7: Suspended: it grew by [0-9.]+ MiB while [0-9.]+ MiB of memory were left, less than the reserve of 64 MiB ", lines[1]);
        Assert.EndsWith($"({group.LimitFile})", lines[1], StringComparison.Ordinal);
        Assert.InRange(int.Parse(lines[2].Split(' ')[1], null), 512, 2048 - 16);
        Assert.Equal(["end"], lines[3..]);
    }
}
