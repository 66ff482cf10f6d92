using System.Diagnostics;
using PsVm.Machine.Templates;

namespace PsVm.Machine.Tests.Templates;

/// <summary>Templates that another process replaces while guests start from them.</summary>
public sealed class ReplacedTemplateTests : TemplateTest
{
    private const int Starts = 150;

    [Fact]
    public void Every_start_finds_one_template_whole_while_another_process_replaces_it_again_and_again()
    {
        string path = At("t");
        using Process maker = Process.Start(new ProcessStartInfo("dotnet", ["exec", typeof(ReplacedTemplateTests).Assembly.Location, path])
        {
            RedirectStandardOutput = true,
        })!;
        try
        {
            Assert.Equal(Program.Ready, maker.StandardOutput.ReadLine());
            SpinWait.SpinUntil(() => GuestTemplates.Exists(path), Patience);
            HashSet<Guid> seen = [];
            for (int start = 0; start < Starts || (seen.Count < 2 && !maker.HasExited); start++) // the maker may get little of a busy host
            {
                seen.Add(GuestTemplates.Read(path).Id);
                Assert.Empty(GuestTemplates.Test(path).Errors);
                string clone = Clone(new GuestOptions { Template = path });
                End(clone);
            }

            Assert.False(maker.HasExited);
            Assert.NotInRange(seen.Count, 0, 1);
        }
        finally
        {
            maker.Kill();
            maker.WaitForExit();
        }
    }

    [Fact]
    public void What_fails_while_the_template_is_replaced_is_done_again_and_what_fails_otherwise_is_not()
    {
        string path = At("t");
        Directory.CreateDirectory(path);
        int reads = 0;

        Assert.Equal(2, TemplateGeneration.Settled(path, () => ++reads == 1 ? throw Replace() : reads));
        Assert.Equal(4, TemplateGeneration.Settled(path, Bad, read => read == 4));

        reads = 0;
        Assert.Throws<GuestException>(() => TemplateGeneration.Settled<int>(path, () => throw Failure(++reads)));
        Assert.Equal(1, reads);

        // Somebody who replaces it for ever keeps nobody for ever.
        Assert.Throws<GuestException>(() => TemplateGeneration.Settled<int>(path, () => throw Replace()));

        int Bad()
        {
            Replace();
            return ++reads;
        }

        GuestException Replace()
        {
            string next = At("next");
            Directory.CreateDirectory(next);
            Directory.Delete(path);
            Directory.Move(next, path);
            return Failure(reads);
        }
    }

    private static GuestException Failure(int read) =>
        new(GuestErrorIds.TemplateStateCorrupt, $"Expected a template, found read {read}.", null);
}
