using System.Diagnostics;
using System.Globalization;
using Mono.Unix.Native;
using PsVm.Machine.Guests;
using PsVm.Machine.Templates;
using PsVm.Memory;
using PsVm.Memory.Tests.Support;

namespace PsVm.Machine.Tests.Templates;

/// <summary>What one process has verified the next one knows, if nobody else could have said so.</summary>
public sealed class VerifiedCacheTests : TemplateTest
{
    /// <summary>The first argument that leads to <see cref="StartOnce"/>.</summary>
    public const string Argument = "start-once";

    private static readonly string s_digest = new('a', 64);

    private string Cache => At("cache/psvm/verified-files-1");

    [Fact]
    public void A_copy_is_read_by_the_first_process_and_by_the_next_only_when_it_changed()
    {
        GuestTemplate copy = CopyByHand();
        Assert.Equal("read 1 times", StartElsewhere(copy));
        Assert.Equal("read 0 times", StartElsewhere(copy));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Cache));
        Assert.Equal(["verified-files-1"], Directory.GetFiles(Path.GetDirectoryName(Cache)!).Select(Path.GetFileName));

        Alter(copy.RamBlocks[0].File);
        Assert.Equal(GuestErrorIds.TemplateRamChanged, StartElsewhere(copy));
    }

    [SkippableTheory]
    [InlineData("writable by others")]
    [InlineData("another user's")]
    [InlineData("a link")]
    [InlineData("a folder")]
    [InlineData("a FIFO")]
    [InlineData("too large")]
    [InlineData("of another file")]
    [InlineData("garbage")]
    public void What_others_could_have_written_or_makes_no_sense_counts_for_nothing(string how)
    {
        GuestTemplate copy = CopyByHand();
        Assert.Equal("read 1 times", StartElsewhere(copy));
        string good = File.ReadAllText(Cache);
        switch (how)
        {
            case "writable by others":
                File.SetUnixFileMode(Cache, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.OtherWrite);
                break;
            case "another user's":
                PsVm.Memory.Tests.Support.Host.NeedsRoot();
                Assert.Equal(0, Syscall.chown(Cache, PsVm.Memory.Tests.Support.Host.Nobody, PsVm.Memory.Tests.Support.Host.Nobody));
                break;
            case "a link":
                File.Move(Cache, At("elsewhere"));
                File.CreateSymbolicLink(Cache, At("elsewhere"));
                break;
            case "a folder":
                File.Delete(Cache);
                Directory.CreateDirectory(Cache);
                break;
            case "a FIFO":
                File.Delete(Cache);
                Assert.Equal(0, Syscall.mkfifo(Cache, FilePermissions.S_IRUSR | FilePermissions.S_IWUSR));
                break;
            case "too large":
                File.WriteAllText(Cache, good + new string('x', 1 << 20));
                break;
            case "of another file":
                File.WriteAllText(Cache, good.Replace(copy.RamBlocks[0].Digest!, s_digest, StringComparison.Ordinal));
                break;
            default:
                File.WriteAllText(Cache, "\0\uffff\n\n 1 2 3\n" + good[..^20]);
                break;
        }

        Assert.Equal("read 1 times", StartElsewhere(copy));
        Assert.Equal(how == "a folder" ? "read 1 times" : "read 0 times", StartElsewhere(copy)); // it was written anew
    }

    [SkippableFact]
    public void Nothing_is_written_where_another_users_variables_lead()
    {
        PsVm.Memory.Tests.Support.Host.NeedsRoot();
        GuestTemplate copy = CopyByHand();
        Directory.CreateDirectory(At("cache"));
        Assert.Equal(0, Syscall.chown(At("cache"), PsVm.Memory.Tests.Support.Host.Nobody, PsVm.Memory.Tests.Support.Host.Nobody));

        Assert.Equal("read 1 times", StartElsewhere(copy));

        Assert.Empty(Directory.GetFileSystemEntries(At("cache")));
    }

    [Fact]
    public void It_is_bounded_and_knows_of_each_file_what_it_was_last()
    {
        VerifiedCache cache = VerifiedCache.Of(name => name == "HOME" ? Folder : null)!;
        string path = At(".cache/psvm/verified-files-1");
        const int most = 4096;
        cache.Add(Identity(0), s_digest);
        string first = File.ReadAllText(path);
        File.WriteAllText(path, string.Concat(Enumerable.Range(0, most).Select(
            inode => first.Replace($"{ulong.MaxValue} 0 ", $"{ulong.MaxValue} {inode} ", StringComparison.Ordinal))));
        Assert.True(cache.Contains(Identity(most - 1), s_digest));
        for (ulong inode = most; inode < most + 4; inode++)
        {
            cache.Add(Identity(inode), s_digest);
        }

        Assert.Equal(most, File.ReadLines(path).Count());
        Assert.InRange(new FileInfo(path).Length, 1, 1 << 20);
        Assert.False(cache.Contains(Identity(3), s_digest));
        Assert.True(cache.Contains(Identity(4), s_digest));
        FileIdentity later = Identity(4) with { ChangedNanoseconds = 5 };
        cache.Add(later, s_digest);
        Assert.Equal((false, true), (cache.Contains(Identity(4), s_digest), cache.Contains(later, s_digest)));
        Assert.False(cache.Contains(later, new string('b', 64)));

        static FileIdentity Identity(ulong inode) => new(ulong.MaxValue, inode, long.MaxValue, long.MaxValue, 4);
    }

    [Fact]
    public void A_writer_that_was_killed_keeps_others_from_writing_for_a_minute()
    {
        VerifiedCache cache = VerifiedCache.Of(name => name == "XDG_CACHE_HOME" ? Folder : null)!;
        FileIdentity file = new(1, 2, 3, 4, 5);
        Directory.CreateDirectory(At("psvm"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        string partial = At("psvm/verified-files-1.partial");
        File.WriteAllText(partial, string.Empty);

        cache.Add(file, s_digest);
        Assert.False(cache.Contains(file, s_digest));
        File.SetLastWriteTimeUtc(partial, DateTime.UtcNow - TimeSpan.FromMinutes(2));
        cache.Add(file, s_digest);
        Assert.True(cache.Contains(file, s_digest));
    }

    [Theory]
    [InlineData(null, null, false)]
    [InlineData("relative", "relative", false)]
    [InlineData("", "/home/somebody", true)]
    [InlineData("/caches", null, true)]
    public void Where_no_place_is_named_there_is_none(string? caches, string? home, bool isThere) =>
        Assert.Equal(isThere, VerifiedCache.Of(name => name == "HOME" ? home : caches) is not null);

    [Fact]
    public void A_file_is_read_only_when_a_change_from_then_on_shows_in_its_time()
    {
        for (int turn = 0; turn < 20; turn++)
        {
            File.WriteAllText(At("f"), $"{turn}");
            FileIdentity before = MemoryBackends.Identify(At("f"))!.Value;
            _ = VerifiedFiles.Settle(before, wait: true);
            File.WriteAllText(At("f"), $"{turn}");
            Assert.NotEqual(before.ChangedNanoseconds, MemoryBackends.Identify(At("f"))!.Value.ChangedNanoseconds);
        }
    }

    /// <summary>The helper process.</summary>
    internal static void StartOnce(string template)
    {
        using MemoryBackends backends = new();
        using GuestHost host = new(backends);
        try
        {
            host.Start(new GuestOptions { Template = template }, CancellationToken.None);
            TemplateRamBlock block = GuestTemplates.Read(template).RamBlocks[0];
            int times = VerifiedFiles.TimesRead(MemoryBackends.Identify(block.File)!.Value, block.Digest!);
            Console.WriteLine($"read {times.ToString(CultureInfo.InvariantCulture)} times");
        }
        catch (GuestException error)
        {
            Console.WriteLine(error.ErrorId);
        }
    }

    private GuestTemplate CopyByHand()
    {
        GuestTemplate template = MakeTemplate("t");
        Assert.Equal(0, PsVm.Memory.Tests.Support.Host.Run("cp", "-a", template.Path, At("u")).Code);
        return GuestTemplates.Read(At("u"));
    }

    private string StartElsewhere(GuestTemplate template)
    {
        ProcessStartInfo start = new("dotnet", ["exec", typeof(VerifiedCacheTests).Assembly.Location, Argument, template.Path])
        {
            RedirectStandardOutput = true,
        };
        start.Environment["XDG_CACHE_HOME"] = At("cache");
        using Process process = Process.Start(start)!;
        string said = process.StandardOutput.ReadToEnd().Trim();
        process.WaitForExit();
        return said;
    }
}
