using System.Globalization;
using System.Text;
using PsVm.Machine.Tests.Support;
using PsVm.Machine.Tests.Templates;

namespace PsVm.Machine.Tests.Agents;

/// <summary>Our agent in Debian's kernel.</summary>
public sealed class LinuxAgentTests : TemplateTest
{
    private static readonly string s_agent = Path.Combine(LinuxGuest.Repository, "tests/guests/agent");

    private IGuestAgents Agents => Host.Agents;

    [SkippableFact]
    public void The_committed_agent_is_what_its_source_builds()
    {
        Skip.IfNot(File.Exists("/usr/bin/riscv64-linux-gnu-gcc"), "no riscv64-linux-gnu-gcc");
        string built = At("agent");

        Assert.NotNull(HostProgram.Run("sh", Path.Combine(s_agent, "build.sh"), built));

        Assert.Equal(Sha256(Path.Combine(s_agent, "psvm-agent")), Sha256(built));
    }

    [SkippableFact]
    public async Task A_command_that_takes_a_while_is_asked_for_once()
    {
        string guest = BootOrSkip();
        await Shell(guest, "true");
        long before = Interrupts(await Shell(guest, "cat /proc/interrupts"));

        // Long enough for dozens of questions, had the agent not waited for the end with its answer.
        GuestCommandResult result = await Shell(guest, "sleep 0.05; cat /proc/interrupts");

        // Two questions, each one both ways, and another for each tenth of a second that the agent waits at most, which a busy host makes
        // more of.
        Assert.InRange(Interrupts(result) - before, 1, 8 + (long)(4 * result.Duration.TotalSeconds / 0.1));

        static long Interrupts(GuestCommandResult of) =>
            of.StdOut.Split('\n').Where(line => line.Contains("virtio", StringComparison.Ordinal))
            .Sum(line => long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture));
    }

    [SkippableFact]
    public async Task Commands_run_in_guests_and_their_clones()
    {
        string guest = BootOrSkip();
        Assert.StartsWith("Linux", (await Shell(guest, "uname -a")).StdOut, StringComparison.Ordinal);
        Assert.Equal(GuestAgentState.Answers, Host.Get(guest).Agent);
        GuestTemplate template = Make(guest, new CheckpointOptions { Path = At("t") });
        string[] clones = [.. Enumerable.Range(0, 4).Select(_ => Clone(template))];

        GuestCommandResult[] results = await Task.WhenAll(clones.Select(clone => Shell(clone, $"echo {clone} >/tmp/name; cat /tmp/name")));

        Assert.Equal(clones, results.Select(result => result.StdOut));
        Assert.Equal(clones, results.Select(result => result.Guest));
        await Ends(guest);
        await Streams(guest);
        await Copies(guest);
        await CopiesFolders(guest);
        await ShowsItsNetwork(guest);
        Host.Reset(clones[0]);
        Assert.Equal("no", (await Shell(clones[0], "cat /tmp/name || echo no")).StdOut);

        Host.Suspend(guest);
        Assert.Equal(GuestErrorIds.GuestSuspended, (await Assert.ThrowsAsync<GuestException>(() => Shell(guest, "true"))).ErrorId);
        Host.Stop(guest);
        Assert.Equal(GuestErrorIds.GuestStopped, (await Assert.ThrowsAsync<GuestException>(() => Shell(guest, "true"))).ErrorId);
    }

    [SkippableFact]
    public async Task Each_clone_becomes_who_it_is_to_be_after_a_start_and_a_reset_and_says_where_it_cannot()
    {
        string guest = BootOrSkip();
        await Shell(guest, "mkdir -p /etc; echo old >/etc/machine-id");
        GuestTemplate template = Make(guest, new CheckpointOptions { Path = At("t") });
        GuestOptions clone = new() { Template = template.Path, Memory = template.Memory };
        CloneIdentity identity = new() { HostName = "web-07", MachineId = true, Script = "echo \"I am $1\" >/tmp/said" };
        Host.Start(clone with { Name = "one", Identity = identity }, CancellationToken.None);
        Host.Start(clone with { Name = "two", Identity = new CloneIdentity { HostName = "" } }, CancellationToken.None);
        Host.Start(clone with { Name = "keys", Identity = new CloneIdentity { SshHostKeys = true } }, CancellationToken.None);

        const string who = "hostname; cat /etc/machine-id /tmp/said 2>/dev/null";
        Assert.All(
            await Task.WhenAll(Agents.WaitAsync("one", Patience), Agents.WaitAsync("two", Patience), Agents.WaitAsync("keys", Patience)),
            Assert.True);
        Assert.Equal(GuestIdentityState.Applied, Host.Get("one").IdentityState);
        Assert.Equal($"web-07\n{Host.Get("one").Uuid:n}\nI am web-07", (await Shell("one", who)).StdOut);
        Assert.Equal("two\nold", (await Shell("two", who)).StdOut);
        Assert.Equal(GuestIdentityState.None, Host.Get(guest).IdentityState);

        Assert.Equal(GuestIdentityState.Failed, Host.Get("keys").IdentityState);
        HostEvent warning = Told(HostEventIds.GuestIdentityFailed);
        Assert.EndsWith("ended with 127: there is no ssh-keygen", warning.Message, StringComparison.Ordinal);

        Host.Reset("one");
        Assert.True(await Agents.WaitAsync("one", Patience));
        Assert.Equal($"web-07\n{Host.Get("one").Uuid:n}\nI am web-07", (await Shell("one", who)).StdOut);

        await PoolsClonesAreNumbered(template);
        CloneIdentity wrong = new() { HostName = "a b" };
        GuestException refused = Assert.Throws<GuestException>(
            () => Host.Start(clone with { Name = "no", Identity = wrong }, CancellationToken.None));
        Assert.Equal(GuestErrorIds.GuestIdentityInvalid, refused.ErrorId);
    }

    private async Task PoolsClonesAreNumbered(GuestTemplate template)
    {
        GuestOptions held = new() { Template = template.Path, Identity = new CloneIdentity { HostName = "pool-{0:d2}" } };
        foreach (string wrong in new[] { "a b {0}", "{", "{1}" })
        {
            GuestPoolOptions none = new() { Name = "none", Guest = held with { Identity = new CloneIdentity { HostName = wrong } } };
            Assert.Equal(GuestErrorIds.GuestIdentityInvalid, Assert.Throws<GuestException>(() => Host.Pools.Create(none)).ErrorId);
        }

        Host.Pools.Create(new GuestPoolOptions { Name = "pool", Guest = held, Grow = true });
        string[] taken = [.. Enumerable.Range(0, 2).Select(
            _ => Host.Start(new GuestOptions { Pool = "pool" }, CancellationToken.None).Name)];
        string own =
            Host.Start(new GuestOptions { Pool = "pool", Identity = new CloneIdentity { HostName = "own" } }, CancellationToken.None).Name;
        string[] names = await Task.WhenAll(taken.Append(own).Select(async guest =>
        {
            Assert.True(await Agents.WaitAsync(guest, Patience));
            return (await Shell(guest, "hostname")).StdOut;
        }));
        Assert.Equal(["pool-01", "pool-02", "own"], names);
        Host.Pools.Remove("pool");
    }

    [SkippableFact]
    public async Task The_wall_clock_of_a_clone_is_the_hosts_and_so_it_is_after_a_pause_and_a_reset()
    {
        string guest = BootOrSkip();
        await Shell(guest, "true");
        GuestTemplate template = Make(guest, new CheckpointOptions { Path = At("t") });
        await Task.Delay(2500);

        string clone = Clone(template);
        await AssertRight(clone);
        Assert.Null(Host.Get(clone).ClockBehind);
        DateTimeOffset set = Host.Get(clone).ClockSetAt!.Value;
        string uptime = (await Shell(clone, "cut -d. -f1 /proc/uptime")).StdOut;
        Assert.InRange(int.Parse(uptime, CultureInfo.InvariantCulture), 0, 300); // it is the wall that was put forward

        Host.Suspend(clone);
        await Task.Delay(1500);
        Host.Resume(clone);
        await AssertRight(clone, set);
        set = Host.Get(clone).ClockSetAt!.Value;

        await Task.Delay(1500);
        Host.Reset(clone);
        await AssertRight(clone, set);
    }

    [Fact]
    public async Task A_guest_whose_board_has_no_port_is_told_how_to_get_one()
    {
        string guest = Boot(new GuestOptions { Memory = Memory });

        GuestException error = await Assert.ThrowsAsync<GuestException>(() => Shell(guest, "true"));

        Assert.Equal(GuestErrorIds.GuestAgentMissing, error.ErrorId);
        Assert.Contains("-MachineType virt-1.4", error.RecommendedAction, StringComparison.Ordinal);
        Assert.Equal(GuestAgentState.NoPort, Host.Get(guest).Agent);
        Assert.Null(Host.Get(guest).ClockSetAt);
    }

    [Fact]
    public async Task A_guest_in_which_no_program_opens_the_port_is_told_of_agents()
    {
        string guest = Boot(new GuestOptions { Memory = Memory, MachineType = "virt-1.4" });

        GuestException error = await Assert.ThrowsAsync<GuestException>(() => Shell(guest, "true"));

        Assert.Equal(GuestErrorIds.GuestAgentMissing, error.ErrorId);
        Assert.Contains("apt install qemu-guest-agent", error.RecommendedAction, StringComparison.Ordinal);
        Assert.Equal(GuestAgentState.Absent, Host.Get(guest).Agent);
    }

    private async Task Ends(string guest)
    {
        int descriptors = await DescriptorsOfAgent(guest);
        GuestCommandResult silent = await Shell(guest, "cat");
        Assert.Equal((0, string.Empty, string.Empty), (silent.ExitCode, silent.StdOut, silent.StdErr));
        Assert.Equal(7, (await Shell(guest, "exit 7")).ExitCode);
        Assert.Equal(15, (await Shell(guest, "kill -TERM $$")).Signal);
        GuestCommandResult both = await Shell(guest, "echo out; echo err >&2");
        Assert.Equal(("out", "err"), (both.StdOut, both.StdErr));
        byte[] input = Encoding.UTF8.GetBytes(string.Concat(Enumerable.Range(0, 9000).Select(i => $"zeile {i} ü\n")));
        Assert.Equal(input, (await Agents.RunAsync(guest, new GuestCommand("cat") { Input = input })).GetStdOutBytes());
        Assert.Equal(
            "a b|$x|\"\\",
            (await Agents.RunAsync(guest, GuestCommand.Shell("printf '%s|%s|%s' \"$1\" \"$2\" \"$3\"", "a b", "$x", "\"\\"))).StdOut);
        Assert.Equal(3_000_000, (await Shell(guest, "head -c 3000000 /dev/zero")).GetStdOutBytes().Length);
        Assert.Equal(
            GuestErrorIds.GuestAgentRefused,
            (await Assert.ThrowsAsync<GuestException>(() => Agents.RunAsync(guest, new GuestCommand("/no/such")))).ErrorId);
        GuestException late = await Assert.ThrowsAsync<GuestException>(() => Agents.RunAsync(
            guest, GuestCommand.Shell("sleep 1000 & echo $! >/tmp/pid; wait") with { Timeout = TimeSpan.FromSeconds(3) }));
        Assert.Equal(GuestErrorIds.GuestCommandTimeout, late.ErrorId);
        Assert.Equal("gone", (await Shell(guest, "kill -0 $(cat /tmp/pid) 2>/dev/null || echo gone")).StdOut);
        Assert.Equal(descriptors, await DescriptorsOfAgent(guest));
    }

    /// <summary>
    /// How many files the agent has open, the least of some tries: a command may run before the agent, which has just started it, has
    /// closed its own ends of the command's pipes.
    /// </summary>
    private async Task<int> DescriptorsOfAgent(string guest)
    {
        int least = int.MaxValue;
        for (int tries = 0; tries < 5; tries++)
        {
            least = Math.Min(least, int.Parse((await Shell(guest, "ls /proc/$PPID/fd | wc -l")).StdOut, CultureInfo.InvariantCulture));
        }

        return least;
    }

    private async Task Streams(string guest)
    {
        List<string> heard = [];
        Task more = Task.CompletedTask;
        GuestCommandResult result = await Agents.RunAsync(
            guest,
            GuestCommand.Shell("rm -f /tmp/more; echo 1; while [ ! -e /tmp/more ]; do sleep 0.05; done; echo 2"),
            piece =>
            {
                heard.Add(Encoding.ASCII.GetString(piece.Bytes.Span));
                more = heard.Count == 1 ? Task.Run(() => Shell(guest, "touch /tmp/more")) : more; // before that it does not go on
            });
        await more;

        Assert.True(result.Succeeded);
        Assert.Equal(["1\n", "2\n"], heard);
    }

    private async Task Copies(string guest)
    {
        string file = At("in"), back = At("back");
        byte[] bytes = new byte[1_000_003];
        new Random(5).NextBytes(bytes);
        await File.WriteAllBytesAsync(file, bytes);

        Assert.Equal(bytes.Length, await Agents.CopyToAsync(guest, file, "/tmp/copied"));
        Assert.StartsWith(Sha256(file), (await Shell(guest, "sha256sum /tmp/copied")).StdOut, StringComparison.Ordinal);
        Assert.Equal(bytes.Length, await Agents.CopyFromAsync(guest, "/tmp/copied", back, long.MaxValue));
        Assert.Equal(Sha256(file), Sha256(back));

        string before = Sha256(back);
        Assert.Equal(GuestErrorIds.GuestCopyFailed, await Id(() => Agents.CopyFromAsync(guest, "/dev/zero", back, 1 << 20)));
        Assert.Equal(GuestErrorIds.GuestAgentRefused, await Id(() => Agents.CopyFromAsync(guest, "/no/such", back, 1 << 20)));
        Assert.Equal(GuestErrorIds.GuestAgentRefused, await Id(() => Agents.CopyToAsync(guest, file, "/no/such/place")));
        Assert.Equal(GuestErrorIds.GuestCopyFailed, await Id(() => Agents.CopyToAsync(guest, At("none"), "/tmp/x")));
        Assert.Equal(before, Sha256(back));
        Assert.Empty(Directory.EnumerateFiles(Path.GetDirectoryName(back)!, "*.partial"));
    }

    private async Task CopiesFolders(string guest)
    {
        string from = At("folder"), back = At("folder-back");
        Directory.CreateDirectory(Path.Combine(from, "a b/c\nd"));
        string[] names = ["a b/c\nd/quote'\"$x", "a b/-rf", "ümläut", new string('n', 150), "large"];
        foreach (string name in names)
        {
            await File.WriteAllTextAsync(Path.Combine(from, name), new string('x', name == "large" ? 70_000 : name.Length));
        }

        File.CreateSymbolicLink(Path.Combine(from, "link"), "a b");
        File.SetUnixFileMode(Path.Combine(from, "large"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);

        GuestFolderCopy sent = await Agents.CopyFolderToAsync(guest, from, "/tmp/folder");
        GuestFolderCopy fetched = await Agents.CopyFolderFromAsync(guest, "/tmp/folder", back, long.MaxValue);

        Assert.Equal((9, 0, 0), (sent.Items, sent.Skipped.Count, fetched.Skipped.Count));
        Assert.Equal((sent.Bytes, sent.Items), (fetched.Bytes, fetched.Items));
        Assert.All(names, name => Assert.Equal(File.ReadAllText(Path.Combine(from, name)), File.ReadAllText(Path.Combine(back, name))));
        Assert.Equal("a b", new FileInfo(Path.Combine(back, "link")).LinkTarget);
        Assert.True(File.GetUnixFileMode(Path.Combine(back, "large")).HasFlag(UnixFileMode.UserExecute));
        Assert.Equal("755 700", (await Shell(guest, "echo $(stat -c %a '/tmp/folder/a b' /tmp/folder/large)")).StdOut);
    }

    private async Task ShowsItsNetwork(string guest)
    {
        await Shell(guest, "ip link set lo up; ip addr add 10.9.8.7/24 dev lo; ip addr add fd00::1:0:5/64 dev lo");

        GuestNetworkInterface lo = Assert.Single(await Agents.GetNetworkAsync(guest), found => found.Name == "lo");

        Assert.Equal(
            ["10.9.8.7/24", "127.0.0.1/8", "::1/128", "fd00::1:0:5/64"],
            lo.Addresses.Select(address => $"{address}").Order(StringComparer.Ordinal));
    }

    private async Task AssertRight(string guest, DateTimeOffset? before = null)
    {
        Assert.True(
            SpinWait.SpinUntil(() => Host.Get(guest).ClockSetAt is { } at && at != before, Patience),
            $"the clock of {guest} is not set; {Host.Get(guest).Agent}");
        DateTimeOffset from = DateTimeOffset.UtcNow;
        string date = (await Shell(guest, "date +%s")).StdOut;
        double found = double.Parse(date, CultureInfo.InvariantCulture);
        Assert.InRange(
            found, (from.ToUnixTimeMilliseconds() / 1000.0) - 1.5, (DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() / 1000.0) + 0.5);
    }

    private Task<GuestCommandResult> Shell(string guest, string line) => Agents.RunAsync(guest, GuestCommand.Shell(line));

    private static async Task<string> Id(Func<Task> action) => (await Assert.ThrowsAsync<GuestException>(action)).ErrorId;

    private string BootOrSkip()
    {
        LinuxGuest linux = LinuxGuest.GetOrSkip();
        Skip.IfNot(
            File.ReadAllBytes(linux.Initrd).AsSpan().IndexOf("bin/psvm-agent"u8) >= 0,
            $"no agent in {linux.Initrd}: tests/guests/get-linux.sh packs it");
        string guest = Boot(new GuestOptions
        {
            Memory = 128 << 20, Kernel = linux.Kernel, Initrd = linux.Initrd, CommandLine = "console=ttyS0 quiet", MachineType = "virt-1.4",
        });
        Assert.True(SpinWait.SpinUntil(() => Host.Get(guest).Agent == GuestAgentState.Answers, Patience), $"{Host.Get(guest).Agent}");
        return guest;
    }
}
