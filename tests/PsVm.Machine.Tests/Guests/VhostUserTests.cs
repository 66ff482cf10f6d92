using PsVm.Machine.Board.Slots;
using PsVm.Machine.Tests.Support;
using PsVm.Machine.Tests.Templates;
using PsVm.Memory;

namespace PsVm.Machine.Tests.Guests;

/// <summary>
/// Guests with devices of other processes: which RAM they may have, and what is refused. What a daemon does:
/// <see cref="LinuxVhostUserTests"/>.
/// </summary>
public sealed class VhostUserTests : TemplateTest
{
    [Fact]
    public void A_guest_has_a_device_of_a_daemon_over_its_lives_and_lets_it_go_at_its_end()
    {
        using FakeVhostDaemon daemon = new(At("socket"));
        string guest = Boot(Options(Shared()) with { VhostUser = [Block() with { Tag = "d" }] });

        Assert.Equal(
            new GuestVhostUser { Tag = "d", Kind = VhostUserKind.Block, Path = At("socket"), Connected = true },
            Assert.Single(Host.Get(guest).VhostUser));
        Assert.Equal("virt-1.4", Host.Get(guest).MachineType);
        Assert.Equal(
            GuestErrorIds.CheckpointDeviceExternal, ErrorOf(() => Host.CheckCheckpoint(guest, new CheckpointOptions { Path = At("t") })));
        Assert.Equal(GuestErrorIds.CheckpointDeviceExternal, ErrorOf(() => Make(guest, new CheckpointOptions { Path = At("t") })));

        Host.Stop(guest);
        Assert.True(SpinWait.SpinUntil(() => !Host.Get(guest).VhostUser[0].Connected, Patience));
        Host.StartAgain(guest, null, CancellationToken.None);
        Assert.True(SpinWait.SpinUntil(() => Host.Get(guest).VhostUser[0].Connected, Patience));
        Assert.Equal((2, 0), (daemon.Connections, Host.Get(guest).VhostUser[0].Losses));
    }

    [Fact]
    public void A_template_that_it_is_detached_from_has_its_slot_and_clones_need_no_daemon()
    {
        using FakeVhostDaemon daemon = new(At("socket"));
        string guest = Boot(Options(Shared()) with { VhostUser = [Block() with { Tag = "d" }] });

        Host.CheckCheckpoint(guest, new CheckpointOptions { Path = At("t"), DetachVhostUser = true });
        GuestTemplate template = Make(guest, new CheckpointOptions { Path = At("t"), DetachVhostUser = true });

        Assert.Equal(("vhost-user-blk:d", 3), (Assert.Single(template.Slots), template.FormatVersion));
        Assert.True(Assert.Single(Host.Get(guest).VhostUser).Connected);
        Check(guest);
        Assert.Empty(PsVm.Machine.Templates.GuestTemplates.Test(template.Path, verify: true).Errors);
        string clone = Clone(template);
        Check(clone);
        Assert.Empty(Host.Get(clone).VhostUser);
        Assert.Contains(Host.ReadEvents(0).Events, happened => happened.Guest?.Name == clone
            && happened.Message.Contains("made with DetachVhostUser, so disk 'd'", StringComparison.Ordinal));
        Host.Reset(clone);
        GuestTemplate again = Make(clone, new CheckpointOptions { Path = At("u"), Differential = true });
        Check(Clone(again));
        Assert.Equal(
            GuestErrorIds.VhostUserOptionConflict,
            ErrorOf(() => Clone(new GuestOptions { Template = template.Path, VhostUser = [Block() with { Tag = "d" }] })));
        Assert.Equal(1, daemon.Connections);
    }

    [Theory]
    [InlineData("private file")]
    [InlineData("private memfd")]
    [InlineData("anonymous")]
    [InlineData("default RAM")]
    [InlineData("default file")]
    [InlineData("one of two")]
    public void It_is_refused_when_the_guest_is_put_together_on_RAM_that_is_not_shared(string ram)
    {
        string path = At("ram");
        File.WriteAllBytes(path, new byte[Memory]);
        MemoryBackendOptions made = new() { Id = "ram-of-test", Size = Memory };
        GuestOptions options = ram switch
        {
            "default RAM" => new GuestOptions { Memory = Memory },
            "default file" => new GuestOptions { MemoryPath = path, Memory = Memory },
            "one of two" => Options(Shared(), Backends.Create(made).Id),
            "private memfd" => Options(Backends.Create(made with { Kind = BackendKind.Memfd }).Id),
            _ => Options(Backends.Create(made with { Path = ram == "anonymous" ? null : path }).Id),
        };

        // Nobody is at the socket, and nobody is asked for it.
        options = options with { VhostUser = [Block()] };
        File.WriteAllText(At("socket"), string.Empty);
        foreach (Action start in (Action[])[() => Host.CheckStart(options), () => Host.Start(options, CancellationToken.None)])
        {
            MemoryBackendException refused = Assert.Throws<MemoryBackendException>(start);
            Assert.Equal(MemoryErrorIds.ConsumerNeedsSharedFile, refused.ErrorId);
            Assert.Contains("a vhost-user device", refused.Message, StringComparison.Ordinal);
            Assert.Contains("Share False", refused.Message, StringComparison.Ordinal);
            Assert.Contains(
                ram.StartsWith("default", StringComparison.Ordinal) ? "'ram.default'" : "'ram-of-test'",
                refused.Message,
                StringComparison.Ordinal);
        }

        Assert.Empty(Host.List());
    }

    [Theory]
    [InlineData("shared file")]
    [InlineData("shared memfd")]
    [InlineData("shared file, Deny")]
    [InlineData("with ROM")]
    public void RAM_that_is_shared_will_do(string ram)
    {
        using FakeVhostDaemon daemon = new(At("socket"));
        string path = At("rom");
        File.WriteAllBytes(path, new byte[1 << 20]);
        string shared = ram == "shared memfd" || ram == "with ROM" ? Shared() : Backends.Create(new MemoryBackendOptions
        {
            Id = "file", Path = At("ram"), Size = Memory, Share = true,
            DiscardPolicy = ram.EndsWith("Deny", StringComparison.Ordinal) ? DiscardPolicy.Deny : DiscardPolicy.Auto,
        }).Id;
        string[] all = ram == "with ROM"
            ? [shared, Backends.Create(new MemoryBackendOptions { Id = "rom", Path = path, Size = 1 << 20, ReadOnly = true }).Id]
            : [shared];

        string guest = Boot(Options(all) with { VhostUser = [Block()] });

        Assert.True(Host.Get(guest).VhostUser[0].Connected);
        Host.Stop(guest);

        // Nobody else has the file, nor a lock on it, any more.
        Host.Remove(guest);
        Backends.Remove(shared);
        Backends.Create(
            new MemoryBackendOptions
            {
                Id = "again", Path = ram == "shared file" ? At("ram") : null, Size = Memory, Share = ram == "shared file",
            });
    }

    [Fact]
    public void More_blocks_of_memory_than_daemons_take_are_refused()
    {
        using FakeVhostDaemon daemon = new(At("socket"));
        string[] blocks = [.. Enumerable.Range(0, 9).Select(number => Shared($"s{number}"))];

        Assert.Equal(
            GuestErrorIds.VhostUserOptionConflict,
            ErrorOf(() => Host.Start(Options(blocks) with { VhostUser = [Block()] }, CancellationToken.None)));
        Assert.Empty(Host.List());
        Boot(Options(blocks[..8]) with { VhostUser = [Block()] });
    }

    [Fact]
    public void Options_that_contradict_each_other_are_told()
    {
        GuestVhostUserOptions folder = new() { Kind = VhostUserKind.FileSystem, Path = Folder };
        string shared = Shared();
        foreach (GuestVhostUserOptions wrong in (GuestVhostUserOptions[])
        [
            folder with { Path = null }, folder with { Socket = "/s" }, folder with { Format = "raw" }, folder with { ReadOnly = true },
            folder with { Path = "/a,b" }, Block() with { Daemon = "/bin/true" }, Block() with { Arguments = ["-h"] },
            Block() with { Socket = "/" + new string('s', 107) },
        ])
        {
            Assert.Equal(
                GuestErrorIds.VhostUserOptionConflict, ErrorOf(() => Host.CheckStart(Options(shared) with { VhostUser = [wrong] })));
        }

        foreach (string tag in (string[])["", "a b", "a/b", new('t', 37), "ä"])
        {
            Assert.Equal(
                GuestErrorIds.VhostUserTagInvalid,
                ErrorOf(() => Host.CheckStart(Options(shared) with { VhostUser = [folder with { Tag = tag }] })));
        }

        GuestVhostUserOptions named = folder with { Tag = "same" };
        Assert.Equal(
            GuestErrorIds.VhostUserTagInvalid, ErrorOf(() => Host.CheckStart(Options(shared) with { VhostUser = [named, named] })));
        GuestTemplate template = MakeTemplate("t");
        Assert.Equal(
            GuestErrorIds.VhostUserOptionConflict,
            ErrorOf(() => Clone(new GuestOptions { Template = template.Path, VhostUser = [folder] })));
    }

    [Fact]
    public void A_daemon_that_is_not_there_or_says_no_is_told()
    {
        string shared = Shared();
        foreach ((GuestVhostUserOptions wrong, string told) in ((GuestVhostUserOptions, string)[])
        [
            (Block(), "found none"),
            (new() { Kind = VhostUserKind.FileSystem, Path = At("none") }, "a folder"),
            (new() { Kind = VhostUserKind.Block, Path = At("none") }, "an image"),
            (new() { Kind = VhostUserKind.FileSystem, Path = Folder, Daemon = "/none" }, "the program '/none'"),
        ])
        {
            GuestException refused = Assert.Throws<GuestException>(() => Host.CheckStart(Options(shared) with { VhostUser = [wrong] }));
            Assert.Equal(GuestErrorIds.VhostUserUnavailable, refused.ErrorId);
            Assert.Contains(told, refused.Message, StringComparison.Ordinal);
        }

        // What can be told only by trying.
        File.WriteAllText(At("socket"), string.Empty);
        Fails(Block(), "nobody answers");
        Fails(new() { Kind = VhostUserKind.FileSystem, Path = Folder, Daemon = "/bin/sh", Arguments = ["-c"] }, "ended with exit code");
        string script = At("daemon");
        File.WriteAllText(script, "#!/bin/sh\necho 'no such\tluck' >&2; exit 3\n");
        File.SetUnixFileMode(script, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        Fails(
            new() { Kind = VhostUserKind.FileSystem, Path = Folder, Daemon = script },
            "daemon for '" + Folder + "' ended with exit code 3: no such");

        void Fails(GuestVhostUserOptions wrong, string told)
        {
            GuestException refused = Assert.Throws<GuestException>(
                () => Host.Start(Options(shared) with { VhostUser = [wrong] }, CancellationToken.None));
            Assert.Equal(GuestErrorIds.VhostUserUnavailable, refused.ErrorId);
            Assert.Contains(told, refused.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Paths_of_images_have_no_meaning_for_the_daemon_but_as_paths()
    {
        string[] arguments = [
            .. VhostUserDevices.ArgumentsOf(
                new() { Kind = VhostUserKind.Block, Path = "/a,b=\"c\"", ReadOnly = true, Arguments = ["--x"] })("/s,t")];

        Assert.Equal(["--blockdev", "--blockdev", "--export", "--x"], [arguments[0], arguments[2], arguments[4], arguments[6]]);
        Assert.Equal("/a,b=\"c\"", System.Text.Json.JsonDocument.Parse(arguments[1]).RootElement.GetProperty("filename").GetString());
        Assert.Equal(
            "/s,t", System.Text.Json.JsonDocument.Parse(arguments[5]).RootElement.GetProperty("addr").GetProperty("path").GetString());
        Assert.False(System.Text.Json.JsonDocument.Parse(arguments[5]).RootElement.GetProperty("writable").GetBoolean());
    }

    private GuestVhostUserOptions Block() => new() { Kind = VhostUserKind.Block, Socket = At("socket") };

    private string Shared(string id = "shared") =>
        Backends.Create(new MemoryBackendOptions { Id = id, Kind = BackendKind.Memfd, Share = true, Size = Memory }).Id;

    private static GuestOptions Options(params string[] backends) =>
        new() { BackendIds = [.. backends.Select(id => (BackendReference)id)] };
}
