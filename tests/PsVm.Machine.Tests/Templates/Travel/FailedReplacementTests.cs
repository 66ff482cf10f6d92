using Mono.Unix.Native;
using PsVm.Machine.State;
using PsVm.Machine.Templates;
using Xunit.Abstractions;

namespace PsVm.Machine.Tests.Templates.Travel;

/// <summary>A template that is replaced is there, whole and under a name that stays, whatever of the replacement fails.</summary>
public sealed class FailedReplacementTests(ITestOutputHelper output) : TravelTest
{
    private const int MostCalls = 12;

    [Theory]
    [InlineData(true, true)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(false, false)]
    public void Whichever_renames_fail_one_of_the_two_is_there_after_the_next_sweep(bool hasFlags, bool syncs)
    {
        GuestTemplate old = MakeTemplate("old"), next = MakeTemplate("next");
        int failed = 0, kept = 0;
        for (int first = 1; first <= MostCalls; first++)
        {
            for (int last = first; last <= MostCalls; last++)
            {
                Copy(old.Path, "all/t");
                Failing calls = new(hasFlags, syncs ? null : At("all"), first, last);
                GuestException? error = null;
                try
                {
                    new TemplateHost { FolderCalls = calls }.Copy(
                        next.Path, new TemplateCopyOptions { Destination = At("all/t"), Force = true }, null, CancellationToken.None);
                }
                catch (GuestException failure)
                {
                    error = failure;
                    failed++;
                }

                TemplateLeftovers.Sweep(At("all/t"), FolderCalls.Kernel);

                string where = $"renames {first} to {last} fail: {error?.Message}";
                GuestTemplate[] there = [.. GuestTemplates.List(At("all")).Select(report => report.Template!)];
                Assert.True(there.Any(template => template.Id == (error is null ? next.Id : old.Id)), where);
                Assert.All(there, template => Assert.True(GuestTemplates.Test(template.Path).IsValid, where));
                if (error is not null && !there.Any(template => template.Path == At("all/t")))
                {
                    // The errors say where it is, and how it comes back.
                    GuestTemplate aside = Assert.Single(there);
                    Assert.Contains(aside.Path, error.Message, StringComparison.Ordinal);
                    Assert.Contains(
                        $"'{aside.Path}'",
                        Assert.Throws<GuestException>(() => GuestTemplates.Read(At("all/t"))).RecommendedAction,
                        StringComparison.Ordinal);
                    AssertRuns(Move(aside.Path, "all/t"));
                    kept++;
                }

                Directory.Delete(At("all"), recursive: true);
            }
        }

        output.WriteLine($"{failed} failed, in {kept} it was kept aside");
        Assert.InRange(failed, 1, MostCalls * MostCalls);
        Assert.Equal(!hasFlags, kept > 0); // with an exchange there is always one
    }

    [Fact]
    public void What_came_instead_of_the_one_that_was_merged_is_kept_when_it_cannot_be_put_back()
    {
        (_, GuestTemplate child) = MakeChain();
        GuestTemplate newer = MakeTemplate("newer");
        Failing calls = new(hasFlags: true, null, 3, MostCalls, onlySwaps: true)
        {
            Before = () =>
            {
                Directory.Move(child.Path, At("away"));
                Directory.Move(newer.Path, child.Path);
            },
        };

        GuestException error = Assert.Throws<GuestException>(
            () => new TemplateMerge(child.Path, new CompressOptions(), calls).Run(null, CancellationToken.None));

        TemplateLeftovers.Sweep(child.Path, FolderCalls.Kernel);
        GuestTemplate aside = Assert.Single(GuestTemplates.List(Folder), report => report.Template?.Id == newer.Id).Template!;
        Assert.Contains(aside.Path, error.Message, StringComparison.Ordinal);
        AssertRuns(aside);
    }

    /// <summary>A kernel that fails some of the renames, with or without renameat2's flags, and some syncs.</summary>
    /// <param name="hasFlags">The file system knows the flags.</param>
    /// <param name="unsynced">The folder that cannot be synced; null: all can.</param>
    /// <param name="first">The first call that fails, counted from 1.</param>
    /// <param name="last">The last one.</param>
    /// <param name="onlySwaps">Only exchanges are counted, and fail.</param>
    private sealed class Failing(bool hasFlags, string? unsynced, int first, int last, bool onlySwaps = false) : FolderCalls
    {
        private int _calls;

        /// <summary>What happens before the exchange of two templates.</summary>
        public Action? Before { private get; set; }

        public override int RenameNew(string from, string to) => !hasFlags ? (int)Errno.EINVAL
            : !onlySwaps && Fails() ? (int)Errno.EIO : base.RenameNew(from, to);

        public override int Swap(string one, string other)
        {
            if (File.Exists(Path.Combine(one, "template.json")) && Before is { } act)
            {
                Before = null;
                act();
            }

            return !hasFlags ? (int)Errno.EINVAL : Fails() ? (int)Errno.EIO : base.Swap(one, other);
        }

        public override int Rename(string from, string to) => !onlySwaps && Fails() ? (int)Errno.EIO : base.Rename(from, to);

        public override int SyncFolder(HeldFolder folder) => folder.Path == unsynced ? (int)Errno.EIO : base.SyncFolder(folder);

        private bool Fails() => ++_calls >= first && _calls <= last;
    }
}
