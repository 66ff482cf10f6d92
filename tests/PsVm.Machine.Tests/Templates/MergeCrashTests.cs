using System.Diagnostics;
using PsVm.Machine.Templates;
using PsVm.Memory;

namespace PsVm.Machine.Tests.Templates;

/// <summary>A process that is killed while it merges a chain leaves the old template or the new one, and the others as they were.</summary>
public sealed class MergeCrashTests : ChainTest
{
    /// <summary>What tells the helper process that it is this test's.</summary>
    public const string Argument = "merge-for-ever";

    private const int LongestWait = 40;
    private const int MostKills = 400;

    private static readonly int s_kills = Kills(16);

    [Fact]
    public void A_template_that_passes_its_test_runs_whenever_its_merger_was_killed()
    {
        byte[] expected = new byte[Pages];
        GuestTemplate bottom = MakeIdle("t0", expected);
        GuestTemplate top = Next(Next(bottom, "t1", expected, page => page % 3 == 1, 1), "t2", expected, page => page % 5 == 2, 2);
        Random random = new(1);
        int cutShort = 0, merged = 0;
        // On a busy machine none may be cut short, or none get to its end, in so few.
        for (int kill = 0; kill < s_kills || ((cutShort == 0 || merged == 0) && kill < MostKills); kill++)
        {
            // Half of them merge in place, the others to where one is already.
            bool isInPlace = kill % 2 == 0;
            if (isInPlace)
            {
                Directory.CreateDirectory(At("one"));
                Directory.Delete(At("one"), recursive: true);
                Process.Start("cp", ["-a", top.Path, At("one")]).WaitForExit();
            }

            KillProgram(random.Next(LongestWait * (1 + (kill / s_kills))), Argument, isInPlace ? At("one") : top.Path, At("one"));
            cutShort += Directory.GetDirectories(Folder, ".one.*.partial").Length;
            TemplateLeftovers.Sweep(At("one"), FolderCalls.Kernel);

            Assert.Empty(Directory.GetDirectories(Folder, ".one.*"));
            Assert.Empty(GuestTemplates.Test(At("one"), verify: true).Errors);
            Assert.Empty(GuestTemplates.Test(top.Path, verify: true).Errors);
            GuestTemplate one = GuestTemplates.Read(At("one"));
            Assert.Equal(top.Id, one.Id);
            merged += one.Parent is null ? 1 : 0;
            MemoryBackend ram = StartSuspended(one);
            Assert.Equal(expected, FirstBytes(ram));
            End(NameOf(ram));
        }

        Assert.NotEqual(0, merged);
        Assert.NotEqual(0, cutShort);
    }

    /// <summary>The helper process.</summary>
    internal static void MergeForEver(string top, string destination)
    {
        // The first one is slow, since all code is new; it goes elsewhere.
        GuestTemplate first = new TemplateMerge(top, new CompressOptions { Destination = destination + ".first" }, FolderCalls.Kernel)
            .Run(null, CancellationToken.None);
        GuestTemplates.Remove(first.Path);
        Console.WriteLine(Program.Ready);
        while (true)
        {
            CompressOptions options = new() { Destination = destination, Force = true };
            _ = new TemplateMerge(top, options, FolderCalls.Kernel).Run(null, CancellationToken.None);
        }
    }
}
