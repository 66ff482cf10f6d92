using System.Net.Sockets;
using Mono.Unix.Native;
using PsVm.Memory.Files;
using PsVm.Memory.Tests.Support;

namespace PsVm.Memory.Tests.Files;

/// <summary>What may back RAM, and what is created and grown (memory-backends rules, section 3).</summary>
public sealed class FileRuleTests : BackendTest
{
    private const long Page = Make.Page;

    private static MemoryBackendOptions Private(string path) => new() { Path = path, Size = 4 * Page };

    private static MemoryBackendOptions Shared(string path) => Private(path) with { Share = true };

    [Fact]
    public void A_missing_file_is_created_only_by_a_ReadWrite_open()
    {
        var path = Folder.In("new");
        Fails(MemoryErrorIds.FileNotFound, Private(path));
        Fails(MemoryErrorIds.FileNotFound, Private(path) with { ReadOnly = true });
        Fails(MemoryErrorIds.FileNotFound, Private(path) with { FileAccessMode = FileAccessMode.ReadOnly, MachineType = "virt-1.0" });

        var outcome = Backends.CreateAsForetold(Shared(path) with { Offset = Page }).Outcome;
        Assert.True(outcome.Created);
        Assert.Equal("O_RDWR, O_CREAT, O_EXCL, O_CLOEXEC", outcome.OpenFlags);
        Assert.Equal(5 * Page, new FileInfo(path).Length);
        const UnixFileMode masked = UnixFileMode.GroupRead | UnixFileMode.OtherRead; // as umask says
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path) & ~masked);
        Assert.Equal(0, FileFacts.Of(path).AllocatedBytes);
    }

    [Fact]
    public void DenyPrivateDiscard_creates_no_file_for_private_memory()
    {
        var options = Private(Folder.In("new")) with { MachineType = "virt-1.0", DenyPrivateDiscard = true };
        Fails(MemoryErrorIds.FileNotFound, options);
        Assert.True(Backends.CreateAsForetold(options with { DenyPrivateDiscard = false }).Outcome.Created);
    }

    [Fact]
    public void The_directory_has_to_exist()
    {
        Fails(MemoryErrorIds.DirectoryNotFound, Shared(Folder.In("no/ram")));
        Fails(MemoryErrorIds.DirectoryNotFound, Private(Folder.In("no/ram")));
        Fails(MemoryErrorIds.DirectoryNotFound, Shared(Folder.In("no/")));
        Fails(MemoryErrorIds.DirectoryNotFound, Shared(Folder.File("file", 1) + "/ram"));
    }

    [Fact]
    public void Links_are_followed_and_dangling_ones_named()
    {
        File.CreateSymbolicLink(Folder.In("link"), Folder.File("ram", 4 * Page));
        Assert.Equal(TestFolder.Fill, Backends.CreateAsForetold(Private(Folder.In("link"))).Bytes(0, 4096).Value());

        File.CreateSymbolicLink(Folder.In("dangling"), Folder.In("nothing"));
        Fails(MemoryErrorIds.DanglingLink, Private(Folder.In("dangling")));
        Fails(MemoryErrorIds.DanglingLink, Shared(Folder.In("dangling")));

        File.CreateSymbolicLink(Folder.In("a"), Folder.In("b"));
        File.CreateSymbolicLink(Folder.In("b"), Folder.In("a"));
        Assert.Contains("ELOOP", Fails(MemoryErrorIds.OpenFailed, Shared(Folder.In("a"))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_name_that_is_too_long_is_an_error() => Fails(MemoryErrorIds.OpenFailed, Shared(Folder.In(new string('x', 300))));

    [Fact]
    public void FIFOs_sockets_and_devices_are_refused_unopened()
    {
        Assert.Equal(0, Syscall.mkfifo(Folder.In("fifo"), FilePermissions.S_IRUSR | FilePermissions.S_IWUSR));
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(Folder.In("socket")));
        var refused = new[] { ("FIFO", Folder.In("fifo")), ("socket", Folder.In("socket")), ("character device", "/dev/zero") };
        foreach (var (kind, path) in refused)
        {
            Assert.Contains($"is a {kind};", Fails(MemoryErrorIds.NotRegularFile, Private(path)).Message, StringComparison.Ordinal);
            Fails(MemoryErrorIds.NotRegularFile, Shared(path));
        }
    }

    [SkippableFact]
    public void Block_devices_are_refused_unopened()
    {
        Host.NeedsRoot();
        var path = Folder.In("disk");
        Skip.IfNot(Syscall.mknod(path, FilePermissions.S_IFBLK | FilePermissions.S_IRUSR, 7 << 8) == 0, "cannot make a block device");
        Assert.Contains("block device", Fails(MemoryErrorIds.NotRegularFile, Private(path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_empty_file_is_grown_when_it_may_be_written()
    {
        var path = Folder.File("empty", 0);
        var message = Fails(MemoryErrorIds.EmptyFileReadOnly, Private(path) with { Offset = Page }).Message;
        Assert.Contains("is empty, expected Offset 4 KiB and Size 16 KiB", message, StringComparison.Ordinal);

        Assert.False(Backends.CreateAsForetold(Shared(path) with { Offset = Page }).Outcome.Created);
        Assert.Equal(5 * Page, new FileInfo(path).Length);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_file_with_content_is_neither_grown_nor_shrunk(bool share)
    {
        var path = Folder.File("ram", (5 * Page) - 1);
        var options = Private(path) with { Share = share, Offset = Page };
        var message = Fails(MemoryErrorIds.FileTooSmall, options).Message;
        Assert.Contains("has 20479 bytes (20 KiB); expected Offset 4 KiB and Size 16 KiB", message, StringComparison.Ordinal);

        Backends.CreateAsForetold(options with { Offset = 0 });
        Assert.Equal((5 * Page) - 1, new FileInfo(path).Length);
    }

    [Fact]
    public void The_offset_is_where_the_memory_begins()
    {
        var path = Folder.File("ram", 8 * Page);
        Backends.CreateAsForetold(Shared(path) with { Offset = 2 * Page, Size = 2 * Page }).Bytes(0, 2 * Make.Page).Fill(1);
        var content = File.ReadAllBytes(path);
        Assert.Equal([1, 1, TestFolder.Fill], new[] { content[2 * Page], content[(4 * Page) - 1], content[4 * Page] });
        Assert.Equal(TestFolder.Fill, content[(2 * Page) - 1]);
    }

    [Fact]
    public void A_directory_gives_a_new_file_without_a_name_and_needs_ReadWrite()
    {
        var error = Fails(MemoryErrorIds.DirectoryNeedsReadWrite, Private(Folder.Path));
        Assert.Contains("the mode is ReadOnly: private memory keeps its stores to itself", error.Message, StringComparison.Ordinal);
        Fails(MemoryErrorIds.DirectoryNeedsReadWrite, Shared(Folder.Path) with { ReadOnly = true });

        var backend = Backends.CreateAsForetold(Shared(Folder.Path));
        Assert.True(backend.Outcome.Created);
        Assert.Empty(Directory.GetFileSystemEntries(Folder.Path));
        Assert.Null(backend.File);
        backend.Bytes(0, 4096).Fill(1);
        Assert.Equal(Page, backend.Measure().FileBlocks);
        Backends.CreateAsForetold(Private(Folder.Path) with { FileAccessMode = FileAccessMode.ReadWrite });
    }

    [Fact]
    public void Descriptors_are_closed_on_exec_and_opened_as_the_mode_says()
    {
        var path = Folder.File("ram", 4 * Page);
        const int cloexec = 0x80000;
        foreach (var (options, access) in new[] { (Private(path), 0), (Shared(path), 2) })
        {
            var backend = Backends.CreateAsForetold(options);
            var fd = Assert.Single(Directory.EnumerateFiles("/proc/self/fd"), fd => new FileInfo(fd).LinkTarget == path);
            var info = File.ReadLines($"/proc/self/fdinfo/{Path.GetFileName(fd)}").Select(l => l.Split('\t'));
            var flags = Convert.ToInt32(info.First(words => words[0] == "flags:")[1], 8);
            Assert.Equal((access, cloexec), (flags & 3, flags & cloexec));
            backend.Dispose();
        }

        Assert.Empty(Holdings.Descriptors(Folder.Path));
    }

    [SkippableFact]
    public void A_file_that_cannot_be_grown_so_far_is_left_as_it_was()
    {
        Skip.If(FileFacts.Of(Folder.Path).FileSystem!.Name != "ext4", "needs a file system with a small largest file: ext4 has 16 TiB");
        var largest = FileFacts.Of(Folder.Path).FileSystem!.LargestFile;
        var options = Private(Folder.In("new")) with { Offset = largest, FileAccessMode = FileAccessMode.ReadWrite };
        Fails(MemoryErrorIds.GrowFailed, options);
        Fails(MemoryErrorIds.GrowFailed, options with { Path = Folder.File("empty", 0) });

        // The kernel's own limit is the same.
        Backends.CreateAsForetold(options with { Offset = largest - options.Size });
        using var file = new RamFile(new FileOpener().Create(Folder.In("other")).Fd, created: true, unlinkOnFailure: null);
        Assert.Equal((Errno.EFBIG, (Errno)0), (file.Grow(largest + 1), file.Grow(largest)));
    }

    [Theory]
    [InlineData(MemoryErrorIds.OpenRetriesExhausted, Errno.EINTR, Errno.ENOENT, 8)]
    [InlineData(MemoryErrorIds.OpenRetriesExhausted, Errno.ENOENT, Errno.EEXIST, 8)]
    [InlineData(MemoryErrorIds.OpenRetriesExhausted, Errno.ENOENT, Errno.EINTR, 8)]
    [InlineData(MemoryErrorIds.FileSystemFull, Errno.ENOENT, Errno.ENOSPC, 1)]
    [InlineData(MemoryErrorIds.FileSystemFull, Errno.ENOENT, Errno.EDQUOT, 1)]
    [InlineData(MemoryErrorIds.OpenFailed, Errno.EMFILE, Errno.ENOENT, 1)]
    public void Only_an_interrupted_or_lost_open_is_tried_again_and_not_for_ever(
        string errorId, Errno opening, Errno creating, int attempts)
    {
        var opener = new FailingOpener(opening, creating);
        var opened = new BackendOpening(opener, null, () => []).Open(Shared(Folder.In("raced")), denyPrivateDiscard: false);
        Assert.Equal(errorId, Assert.Single(opened.Errors).Id);
        Assert.Equal(attempts, opener.Opens);
    }

    private sealed class FailingOpener(Errno opening, Errno creating) : IFileOpener
    {
        public (LockResult Result, Errno Error) Lock(string path, int fd, RamFileLock wanted) => (LockResult.Free, 0);

        public int Opens { get; private set; }

        public FileOpening Open(string path, bool write)
        {
            Opens++;
            return new(opening);
        }

        public FileOpening Create(string path) => new(creating, Creating: true);

        public FileOpening CreateUnlinked(string directory) => new(creating, Creating: true);
    }
}
