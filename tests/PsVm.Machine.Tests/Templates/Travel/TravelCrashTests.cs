using PsVm.Machine.Templates;
using Xunit.Abstractions;

namespace PsVm.Machine.Tests.Templates.Travel;

/// <summary>A process that is killed while it copies, packs, unpacks and moves leaves what was there or what is new, whole.</summary>
public sealed class TravelCrashTests(ITestOutputHelper output) : TravelTest
{
    /// <summary>The first argument that leads to <see cref="Travel"/>.</summary>
    public const string Argument = "travel";

    private const int LongestWait = 150, MostKills = 200;

    private static readonly int s_kills = Kills(8);

    /// <summary>What the helper process does, again and again until it is killed.</summary>
    internal static void Travel(string folder, bool hasFlags)
    {
        string template = Path.Combine(folder, "t"), copy = Path.Combine(folder, "copy"), archive = Path.Combine(folder, "a.psvm");
        TemplateHost host = new() { FolderCalls = hasFlags ? FolderCalls.Kernel : new PlainFileSystem() };
        for (int round = 0; ; round++)
        {
            host.Copy(template, new TemplateCopyOptions { Destination = copy, Force = true }, null, CancellationToken.None);
            host.Export(template, new TemplateExportOptions { Path = archive, Force = true }, null, CancellationToken.None);
            host.Import(
                archive, new TemplateImportOptions { Folder = Path.Combine(folder, "there"), Force = true }, null, CancellationToken.None);
            host.Move(
                copy, new TemplateCopyOptions { Destination = Path.Combine(folder, "moved"), Force = true }, null, CancellationToken.None);
            if (round == 0)
            {
                Console.WriteLine(Program.Ready); // all of it is compiled
            }
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void What_is_there_is_whole_whenever_somebody_was_killed(bool hasFlags)
    {
        GuestTemplate template = MakeTemplate("t");
        Random random = new();
        int cutShort = 0, aside = 0;
        // On a busy machine none may be cut short in so few.
        for (int kill = 0; kill < s_kills || (cutShort == 0 && kill < MostKills); kill++)
        {
            KillProgram(random.Next(LongestWait), Argument, Folder, $"{hasFlags}");
            cutShort += GuestTemplates.Leftovers(Folder).Count + GuestTemplates.Leftovers(At("there")).Count;
            foreach (string path in new[] { At("t"), At("there/t"), At("copy"), At("moved") })
            {
                aside += PutBack(path, template.Id) ? 1 : 0;
            }

            string[] there = [At("t"), At("there/t"), .. new[] { At("copy"), At("moved") }.Where(Directory.Exists)];
            Assert.True(there.Length > 2, "a template is lost on its way");
            foreach (string path in there)
            {
                Assert.Empty(GuestTemplates.Test(path, verify: true).Errors);
                Assert.Equal(template.Id, GuestTemplates.Read(path).Id);
            }

            AssertRuns(GuestTemplates.Read(there[kill % there.Length]));
            GuestTemplates.Remove(Import(folder: "again").Path);
        }

        output.WriteLine($"{cutShort} cut short, {aside} put back");
        Assert.NotEqual(0, cutShort);
        Copy(template.Path, "last"); // which sweeps what was left
        Assert.Empty(GuestTemplates.Leftovers(Folder));
    }

    /// <summary>Without an exchange there may be a moment in which what is replaced stands aside, whole.</summary>
    private static bool PutBack(string path, Guid id)
    {
        if (TemplateLeftovers.FindAside(path) is not { } aside)
        {
            return false;
        }

        Assert.Equal(id, GuestTemplates.Read(aside).Id);
        if (Directory.Exists(path))
        {
            GuestTemplates.Remove(aside);
        }
        else
        {
            new TemplateHost().Move(aside, new TemplateCopyOptions { Destination = path }, null, CancellationToken.None);
        }

        return true;
    }
}
