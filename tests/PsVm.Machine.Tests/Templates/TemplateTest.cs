using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using PsVm.Machine.Guests;
using PsVm.Machine.Tests.Support;
using PsVm.Memory;

namespace PsVm.Machine.Tests.Templates;

/// <summary>A host of guests and the words of the embedded guest.</summary>
public abstract class TemplateTest : GuestHostTest
{
    protected const long Memory = 4 << 20;

    protected static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private static int s_lines;

    protected string At(string name) => Path.Combine(Folder, name);

    /// <summary>How often a test kills a process; more often by hand: PSVM_TEST_KILLS=200.</summary>
    protected static int Kills(int usual) =>
        int.TryParse(Environment.GetEnvironmentVariable("PSVM_TEST_KILLS"), CultureInfo.InvariantCulture, out int kills) ? kills : usual;

    /// <summary>Has this program do what arguments say in a process of its own, and kills that some time after it is ready.</summary>
    protected static void KillProgram(int milliseconds, params string[] arguments)
    {
        using Process program = Process.Start(new ProcessStartInfo("dotnet", ["exec", typeof(TemplateTest).Assembly.Location, .. arguments])
        {
            RedirectStandardOutput = true,
        })!;
        Assert.Equal(Program.Ready, program.StandardOutput.ReadLine());
        Thread.Sleep(milliseconds);
        program.Kill();
        program.WaitForExit();
    }

    /// <summary>Alters the last byte of a template's RAM file, and hides that as well as may be.</summary>
    protected static void Alter(string file)
    {
        DateTime time = File.GetLastWriteTimeUtc(file);
        File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        using (FileStream ram = File.OpenWrite(file))
        {
            ram.Position = Memory - 1;
            ram.WriteByte(1);
        }

        File.SetLastWriteTimeUtc(file, time);
    }

    /// <summary>An embedded guest that has said that it is up.</summary>
    protected string Boot(GuestOptions options)
    {
        string name = Host.Start(options, CancellationToken.None).Name;
        WaitFor(name, "GUEST-UP");
        return name;
    }

    /// <summary>A template of a fresh embedded guest, which is gone again.</summary>
    protected GuestTemplate MakeTemplate(string name, bool digest = false)
    {
        string guest = Boot(new GuestOptions { Memory = Memory });
        GuestTemplate template = Make(guest, new CheckpointOptions { Path = At(name), Digest = digest });
        End(guest);
        return template;
    }

    protected GuestTemplate Make(string guest, CheckpointOptions options) => Host.Checkpoint(guest, options, null, CancellationToken.None);

    protected string Clone(GuestTemplate template) => Clone(new GuestOptions { Template = template.Path });

    protected string Clone(GuestOptions options) => Host.Start(options, CancellationToken.None).Name;

    /// <summary>Types a command to an embedded guest and gives the line that answers.</summary>
    protected string Ask(string guest, string command, string answer)
    {
        long position = Host.ReadConsole(guest, 0).NextPosition;
        Host.WriteConsole(guest, command + "\r");
        while (true)
        {
            string text = Host.ReadConsole(guest, position).Text;
            int start = text.IndexOf("\n" + answer, StringComparison.Ordinal);
            int end = start < 0 ? -1 : text.IndexOf('\n', start + 1);
            if (end >= 0)
            {
                return text[(start + 1)..end].TrimEnd('\r');
            }

            Assert.Equal(GuestState.Running, Host.Get(guest).State);
            Thread.Sleep(1);
        }
    }

    /// <summary>What a command prints in a Linux guest's shell.</summary>
    protected string Run(string guest, string command)
    {
        // The shell joins the marks' halves, so that the echo of the command is not taken for what it prints.
        int line = Interlocked.Increment(ref s_lines);
        long position = Host.ReadConsole(guest, 0).NextPosition;
        Host.WriteConsole(guest, $"echo be''gin{line}.; {command}; echo en''d{line}.\n");
        WaitFor(guest, $"end{line}.");
        string text = Host.ReadConsole(guest, position).Text;
        string begin = $"begin{line}.";
        int start = text.IndexOf(begin, StringComparison.Ordinal) + begin.Length;
        return text[start..text.IndexOf($"end{line}.", StringComparison.Ordinal)].Trim();
    }

    /// <summary>What its Linux kernel complained of; empty when it did not.</summary>
    /// <param name="also">A regular expression of what else it is not to say.</param>
    protected string Complaints(string guest, string also = "needs reset") =>
        Run(guest, $"dmesg | grep -E 'BUG|WARNING|Oops|lockup|detected stall|self-detected|{also}'");

    /// <summary>The checksum of an embedded guest's pattern, which must be whole.</summary>
    protected string Check(string guest)
    {
        string line = Ask(guest, "check", "check: ");
        Assert.StartsWith("check: ok ", line, StringComparison.Ordinal);
        return line;
    }

    protected void WaitFor(string guest, string text) =>
        Assert.True(Host.WaitForText(guest, text, Patience, CancellationToken.None), $"no '{text}' in: {Host.ReadConsole(guest, 0).Text}");

    protected void End(string guest)
    {
        Host.Stop(guest);
        Host.Remove(guest);
    }

    /// <summary>The one event of an id, which may be told a moment after what it is about can be seen.</summary>
    protected HostEvent Told(string id)
    {
        Assert.True(SpinWait.SpinUntil(() => Happened().Any(), Patience), $"nothing is told of {id}");
        return Assert.Single(Happened());

        IEnumerable<HostEvent> Happened() => Host.ReadEvents(0).Events.Where(happened => happened.Id == id);
    }

    /// <summary>
    /// Has an operator stop a guest of which a checkpoint is under way, and returns once that has been told so and is waited for.
    /// </summary>
    protected Thread StopMeanwhile(string guest)
    {
        Thread stop = new(() => Host.Stop(guest)) { IsBackground = true };
        stop.Start();
        Assert.True(SpinWait.SpinUntil(() => Host.LifeOf(guest).IsWorkGivenUp, Patience));
        Assert.Equal(GuestErrorIds.GuestStopped, ErrorOf(() => Host.CheckCheckpoint(guest, new CheckpointOptions { Path = At("other") })));
        return stop;
    }

    /// <summary>The error id of an action that must fail.</summary>
    protected static string ErrorOf(Action action)
    {
        PsVmException error = Assert.ThrowsAny<PsVmException>(action);
        Assert.False(error is GuestException && !error.Message.Contains("found", StringComparison.Ordinal), error.Message);
        return error.ErrorId;
    }

    protected static string Sha256(string file)
    {
        using FileStream stream = File.OpenRead(file);
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }
}
