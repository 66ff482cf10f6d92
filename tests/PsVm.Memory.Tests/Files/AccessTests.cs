using Mono.Unix.Native;
using PsVm.Memory.Tests.Support;

namespace PsVm.Memory.Tests.Files;

/// <summary>Files that may not be written, or not even read, for real: what Auto falls back to and what each error says.</summary>
public sealed class AccessTests : BackendTest
{
    private const long Page = Make.Page;

    /// <summary>The file can be read, but not written for the reason that errno gives.</summary>
    private void AssertFallsBack(string path, Errno errno, string errorId)
    {
        var options = new MemoryBackendOptions { Path = path, Size = Page };

        // What Auto never tried to write is no fallback.
        using var untried = Backends.CreateAsForetold(options);
        Assert.False(untried.Outcome.FellBack);

        using var backend = Backends.CreateAsForetold(options with { MachineType = "virt-1.0" });
        var outcome = backend.Outcome;
        Assert.True(outcome.FellBack);
        Assert.Equal(FileAccessMode.ReadOnly, outcome.EffectiveMode);
        Assert.Equal("O_RDONLY, O_CLOEXEC", outcome.OpenFlags);
        const string choice = "virt-1.0 opens the file of private writable memory ReadWrite";
        Assert.Equal($"{choice}; it cannot be opened for writing, so it is opened ReadOnly", outcome.Reason);
        var warning = Assert.Single(outcome.Warnings, w => w.Id == MemoryWarningIds.FellBackToReadOnly);
        Assert.Contains($"'{path}' cannot be opened for writing ({errno} ", warning.Message, StringComparison.Ordinal);
        Assert.Contains("truncated, grown or punched", warning.Message, StringComparison.Ordinal);

        // The guest writes all the same, and the file does not see it.
        var before = File.ReadAllBytes(path)[..(int)Page];
        Assert.Equal(before, backend.Bytes(0, (int)Page).ToArray());
        backend.Bytes(0, (int)Page).Fill(1);
        Assert.Equal(before, File.ReadAllBytes(path)[..(int)Page]);

        // A policy that needs the write access is an error, found at the fallback.
        var punching = options with { MachineType = "virt-1.0", DiscardPolicy = DiscardPolicy.PunchHole };
        Fails(MemoryErrorIds.PunchHoleNeedsWritableFile, punching);

        // Explicit modes never fall back; private memory is told what would work.
        var explicitMode = Fails(errorId, options with { FileAccessMode = FileAccessMode.ReadWrite });
        Assert.Contains(errno.ToString(), explicitMode.Message, StringComparison.Ordinal);
        Assert.Equal("The file can be read: use FileAccessMode ReadOnly or Auto.", explicitMode.RecommendedAction);
        var shared = Fails(errorId, options with { Share = true });
        Assert.NotEqual(explicitMode.RecommendedAction, shared.RecommendedAction);
        Fails(errorId, options with { Share = true, FileAccessMode = FileAccessMode.ReadWrite });
    }

    [SkippableFact]
    public void EACCES_for_an_ordinary_user()
    {
        var path = Folder.File("ram", Page);
        Host.AsNobody(() => AssertFallsBack(path, Errno.EACCES, MemoryErrorIds.FileAccessDenied));
    }

    [SkippableFact]
    public void EROFS_on_a_read_only_mount()
    {
        using var mount = Host.Mount(Folder, "tmpfs");
        File.WriteAllBytes(mount.In("ram"), new byte[Page]);
        Host.Run("mount", "-o", "remount,ro", mount.Path);
        AssertFallsBack(mount.In("ram"), Errno.EROFS, MemoryErrorIds.ReadOnlyFileSystem);
        var options = new MemoryBackendOptions { Path = mount.In("ram"), Size = Page };
        Assert.Equal([MemoryWarningIds.PrivateMappingOfMemoryFile], Backends.Test(options).Warnings.Select(w => w.Id));
        var creating = Fails(MemoryErrorIds.DirectoryNotWritable, options with { Path = mount.In("new"), Share = true });
        Assert.Contains("EROFS", creating.Message, StringComparison.Ordinal);
    }

    [SkippableTheory]
    [InlineData("i")]
    [InlineData("a")]
    public void EPERM_of_an_immutable_or_append_only_file(string attribute)
    {
        var path = Folder.File("ram", Page);
        using var attributed = Host.Attribute(path, attribute);
        AssertFallsBack(path, Errno.EPERM, MemoryErrorIds.FileImmutable);
    }

    [SkippableFact]
    public void ETXTBSY_of_a_running_executable()
    {
        using var running = Host.Running(Folder.In("sleep"));
        AssertFallsBack(Folder.In("sleep"), Errno.ETXTBSY, MemoryErrorIds.FileIsRunning);
    }

    [SkippableFact]
    public void A_file_that_cannot_even_be_read_is_an_error_without_a_fallback()
    {
        Host.NeedsRoot();
        var path = Folder.File("ram", Page);
        File.SetUnixFileMode(path, UnixFileMode.None);
        Directory.CreateDirectory(Folder.In("closed"), UnixFileMode.None);
        Host.AsNobody(() =>
        {
            var options = new MemoryBackendOptions { Path = path, Size = Page };
            Assert.Contains("opened for reading", Fails(MemoryErrorIds.FileAccessDenied, options).Message, StringComparison.Ordinal);
            Fails(MemoryErrorIds.FileAccessDenied, options with { MachineType = "virt-1.0" });
            var error = Fails(MemoryErrorIds.FileAccessDenied, options with { FileAccessMode = FileAccessMode.ReadWrite });
            Assert.DoesNotContain("can be read", error.RecommendedAction, StringComparison.Ordinal);
            var unseen = options with { Path = Folder.In("closed/ram") };
            Assert.Contains("looked at", Fails(MemoryErrorIds.FileAccessDenied, unseen).Message, StringComparison.Ordinal);
        });
    }

    [SkippableFact]
    public void A_directory_without_write_permission_takes_no_file() => Host.AsNobody(() =>
    {
        var options = new MemoryBackendOptions { Size = Page, Share = true };
        Fails(MemoryErrorIds.DirectoryNotWritable, options with { Path = Folder.In("new") });
        Fails(MemoryErrorIds.DirectoryNotWritable, options with { Path = Folder.Path });

        // Auto chose ReadWrite, but a file that is missing cannot be read either.
        Fails(MemoryErrorIds.DirectoryNotWritable, options with { Path = Folder.In("new"), Share = false, MachineType = "virt-1.0" });
    });

    [SkippableFact]
    public void An_empty_file_that_falls_back_is_an_error()
    {
        var path = Folder.File("empty", 0);
        Host.AsNobody(() => Fails(MemoryErrorIds.EmptyFileReadOnly, new() { Path = path, Size = Page, MachineType = "virt-1.0" }));
    }

    [SkippableFact]
    public void A_full_file_system_is_an_error_before_the_first_store()
    {
        using var mount = Host.Mount(Folder, "tmpfs", "size=1m");
        var options = new MemoryBackendOptions { Path = mount.In("ram"), Size = 2 << 20, Share = true };
        Assert.Contains(
            "has 1 MiB available; the shared memory may come to need 2 MiB more",
            Fails(MemoryErrorIds.FileSystemFull, options).Message,
            StringComparison.Ordinal);
        Fails(MemoryErrorIds.FileSystemFull, options with { Reserve = false, Prealloc = true });

        using var backend = Backends.CreateAsForetold(options with { Reserve = false });
        Assert.Contains("MAP_NORESERVE", backend.Outcome.MapFlags, StringComparison.Ordinal);

        // Blocks that a file has already are not needed again.
        using var other = Host.Mount(Folder, "tmpfs", "size=1m");
        File.WriteAllBytes(other.In("ram"), new byte[1 << 20]);
        Backends.CreateAsForetold(options with { Path = other.In("ram"), Size = 1 << 20 }).Dispose();
    }
}
