using PsVm.Machine.Guests;
using PsVm.Machine.Templates;
using PsVm.Memory;

namespace PsVm.Machine.Tests.Templates.Lazy;

/// <summary>
/// A process that is killed while it copies a template that guests run on leaves the copy whole, or none, and the template as it was.
/// </summary>
public sealed class LazyCrashTests : LazyTest
{
    /// <summary>The first argument that leads to <see cref="StartForEver"/>.</summary>
    public const string Argument = "lazy";

    private const int MostKills = 200, LongestWait = 100;

    private static readonly int s_kills = Kills(8);

    /// <summary>What the helper process does, for copy after copy in a folder until it is killed.</summary>
    internal static void StartForEver(string template, string folder)
    {
        using MemoryBackends backends = new();
        using GuestHost host = new(backends);
        for (int round = 0; ; round++)
        {
            GuestOptions options = new() { Template = template, Lazy = true, Destination = Path.Combine(folder, $"copy{round}") };
            GuestInfo guest = host.Start(options, CancellationToken.None);
            while (host.Get(guest.Reference).Fill!.State != GuestFillState.Complete)
            {
                Thread.Sleep(1);
            }

            host.Stop(guest.Reference);
            host.Remove(guest.Reference);
            if (round == 0)
            {
                Console.WriteLine(Program.Ready); // all of it is compiled
            }
        }
    }

    [Fact]
    public void A_copy_is_whole_or_not_there_whenever_its_maker_was_killed()
    {
        GuestTemplate template = MakeLarge("t", out string check);
        Random random = new();
        int cutShort = 0;
        for (int kill = 0; kill < s_kills || (cutShort == 0 && kill < MostKills); kill++)
        {
            string folder = Directory.CreateDirectory(At($"kill{kill}")).FullName;
            KillProgram(random.Next(LongestWait), Argument, template.Path, folder);
            Assert.All(Directory.GetDirectories(folder, "copy*"), copy => Assert.Empty(GuestTemplates.Test(copy, verify: true).Errors));
            string? left = Directory.GetDirectories(folder, ".copy*").SingleOrDefault();
            cutShort += left is null ? 0 : 1;

            // Whoever comes next takes a copy that is there, or makes the one that was cut short and clears away what was left of it.
            string destination = left is null
                ? Directory.GetDirectories(folder)[0]
                : Path.Combine(folder, Path.GetFileName(left).Split('.')[1]);
            string guest = StartLazily(template, destination);
            Assert.Equal(left is null, Host.Get(guest).Fill is null);
            Assert.Equal(check, Check(guest));
            Assert.True(SpinWait.SpinUntil(() => GuestTemplates.Exists(destination), Patience));
            End(guest);
            Assert.Empty(Leftovers(destination));
            Assert.Empty(GuestTemplates.Test(template.Path, verify: true).Errors);
            Directory.Delete(folder, recursive: true);
        }

        Assert.NotEqual(0, cutShort);
    }
}
