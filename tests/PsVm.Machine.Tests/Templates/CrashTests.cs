using System.Diagnostics;
using PsVm.Machine.Templates;

namespace PsVm.Machine.Tests.Templates;

/// <summary>A process that is killed while it makes a template leaves the old one or the new one.</summary>
public sealed class CrashTests : TemplateTest
{
    private const int Kills = 50;
    private const int LongestWait = 60;

    [Fact]
    public void A_template_that_passes_its_test_runs_whenever_its_maker_was_killed()
    {
        Random random = new(1);
        string path = At("t");
        int found = 0, cutShort = 0;
        for (int kill = 0; kill < Kills; kill++)
        {
            // Half of the makers find a template to replace.
            if (kill % 2 == 0 && Directory.Exists(path))
            {
                GuestTemplates.Remove(path);
            }

            KillMaker(path, random.Next(LongestWait));
            cutShort += Directory.GetDirectories(Folder, ".t.*.partial").Length; // the next maker sweeps it
            if (!Directory.Exists(path))
            {
                continue;
            }

            found++;
            Assert.Empty(GuestTemplates.Test(path).Errors);
            string clone = Clone(new GuestOptions { Template = path });
            Check(clone);
            End(clone);
        }

        Assert.InRange(found, 1, Kills);
        Assert.NotEqual(0, cutShort);
        Assert.All(GuestTemplates.List(Folder), template => Assert.Equal(path, template.Path));
    }

    private static void KillMaker(string path, int milliseconds)
    {
        using Process maker = Process.Start(new ProcessStartInfo("dotnet", ["exec", typeof(CrashTests).Assembly.Location, path])
        {
            RedirectStandardOutput = true,
        })!;
        Assert.Equal(Program.Ready, maker.StandardOutput.ReadLine());
        Thread.Sleep(milliseconds);
        maker.Kill();
        maker.WaitForExit();
    }
}
