using PsVm.Machine.Templates;

namespace PsVm.Machine.Tests.Templates;

/// <summary>A process that is killed while it makes a template leaves the old one or the new one.</summary>
public sealed class CrashTests : TemplateTest
{
    private const int MostKills = 400;
    private const int LongestWait = 60;

    private static readonly int s_kills = Kills(50);

    [Fact]
    public void A_template_that_passes_its_test_runs_whenever_its_maker_was_killed()
    {
        Random random = new(1);
        string path = At("t");
        int found = 0, cutShort = 0;
        // On a busy machine none may be cut short, or none get to its end, in so few.
        for (int kill = 0; kill < s_kills || ((cutShort == 0 || found == 0) && kill < MostKills); kill++)
        {
            // Half of the makers find a template to replace.
            if (kill % 2 == 0 && Directory.Exists(path))
            {
                GuestTemplates.Remove(path);
            }

            KillProgram(random.Next(LongestWait * (1 + (kill / s_kills))), path);
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

        Assert.NotEqual(0, found);
        Assert.NotEqual(0, cutShort);
        Assert.All(GuestTemplates.List(Folder), template => Assert.Equal(path, template.Path));
    }
}
