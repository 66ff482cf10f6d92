using System.Net.Sockets;
using Mono.Unix.Native;
using PsVm.Memory.Files;
using PsVm.Memory.Tests.Support;

namespace PsVm.Memory.Tests.Files;

/// <summary>What may back RAM, and what is created and grown (memory-backends rules, section 3).</summary>
[Collection(HostCollection.Name)]
public sealed class FileRuleTests : IDisposable
{
    private const long Page = Make.Page;

    private readonly TestFolder _folder = new();
    private readonly MemoryBackends _backends = Make.Backends();

    public void Dispose()
    {
        _backends.Dispose();
        _folder.Dispose();
    }

    private static MemoryBackendOptions Private(string path) => new() { Path = path, Size = 4 * Page };

    private static MemoryBackendOptions Shared(string path) => Private(path) with { Share = true };

    private MemoryBackendException Fails(string errorId, MemoryBackendOptions options)
    {
        MemoryBackendException? error = null;
        Holdings.AssertUnchanged(_folder.Path, () => error = _backends.CreateFails(errorId, options));
        Assert.Equal(options.Path, error!.Target);
        return error;
    }

    [Fact]
    public void A_missing_file_is_created_only_by_a_ReadWrite_open()
    {
        var path = _folder.In("new");
        Fails(MemoryErrorIds.FileNotFound, Private(path));
        Fails(MemoryErrorIds.FileNotFound, Private(path) with { ReadOnly = true });
        Fails(MemoryErrorIds.FileNotFound, Private(path) with { FileAccessMode = FileAccessMode.ReadOnly, MachineType = "virt-1.0" });

        var outcome = _backends.CreateAsForetold(Shared(path) with { Offset = Page }).Outcome;
        Assert.True(outcome.Created);
        Assert.Equal("O_RDWR, O_CREAT, O_EXCL, O_CLOEXEC", outcome.OpenFlags);
        Assert.Equal(5 * Page, new FileInfo(path).Length);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path) & ~(UnixFileMode.GroupRead | UnixFileMode.OtherRead));
        Assert.Equal(0, FileFacts.Of(path).AllocatedBytes);
    }

    [Fact]
    public void DenyPrivateDiscard_creates_no_file_for_private_memory()
    {
        var options = Private(_folder.In("new")) with { MachineType = "virt-1.0", DenyPrivateDiscard = true };
        Fails(MemoryErrorIds.FileNotFound, options);
        Assert.True(_backends.CreateAsForetold(options with { DenyPrivateDiscard = false }).Outcome.Created);
    }

    [Fact]
    public void The_directory_has_to_exist()
    {
        Fails(MemoryErrorIds.DirectoryNotFound, Shared(_folder.In("no/ram")));
        Fails(MemoryErrorIds.DirectoryNotFound, Private(_folder.In("no/ram")));
        Fails(MemoryErrorIds.DirectoryNotFound, Shared(_folder.In("no/")));
        Fails(MemoryErrorIds.DirectoryNotFound, Shared(_folder.File("file", 1) + "/ram"));
    }

    [Fact]
    public void Links_are_followed_and_dangling_ones_named()
    {
        File.CreateSymbolicLink(_folder.In("link"), _folder.File("ram", 4 * Page));
        Assert.Equal(TestFolder.Fill, _backends.CreateAsForetold(Private(_folder.In("link"))).Bytes(0, 4096).Value());

        File.CreateSymbolicLink(_folder.In("dangling"), _folder.In("nothing"));
        Fails(MemoryErrorIds.DanglingLink, Private(_folder.In("dangling")));
        Fails(MemoryErrorIds.DanglingLink, Shared(_folder.In("dangling")));

        File.CreateSymbolicLink(_folder.In("a"), _folder.In("b"));
        File.CreateSymbolicLink(_folder.In("b"), _folder.In("a"));
        Assert.Contains("ELOOP", Fails(MemoryErrorIds.OpenFailed, Shared(_folder.In("a"))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_name_that_is_too_long_is_an_error() => Fails(MemoryErrorIds.OpenFailed, Shared(_folder.In(new string('x', 300))));

    [Fact]
    public void FIFOs_sockets_and_devices_are_refused_unopened()
    {
        Assert.Equal(0, Syscall.mkfifo(_folder.In("fifo"), FilePermissions.S_IRUSR | FilePermissions.S_IWUSR));
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(_folder.In("socket")));
        var paths = new Dictionary<string, string> { ["FIFO"] = _folder.In("fifo"), ["socket"] = _folder.In("socket"), ["character device"] = "/dev/zero" };
        foreach (var (kind, path) in paths)
        {
            Assert.Contains($"is a {kind};", Fails(MemoryErrorIds.NotRegularFile, Private(path)).Message, StringComparison.Ordinal);
            Fails(MemoryErrorIds.NotRegularFile, Shared(path));
        }
    }

    [SkippableFact]
    public void Block_devices_are_refused_unopened()
    {
        Host.NeedsRoot();
        var path = _folder.In("disk");
        Skip.IfNot(Syscall.mknod(path, FilePermissions.S_IFBLK | FilePermissions.S_IRUSR, 7 << 8) == 0, "cannot make a block device");
        Assert.Contains("block device", Fails(MemoryErrorIds.NotRegularFile, Private(path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_empty_file_is_grown_when_it_may_be_written()
    {
        var path = _folder.File("empty", 0);
        var message = Fails(MemoryErrorIds.EmptyFileReadOnly, Private(path) with { Offset = Page }).Message;
        Assert.Contains("0 bytes), expected 4096 + 16384 bytes", message, StringComparison.Ordinal);

        Assert.False(_backends.CreateAsForetold(Shared(path) with { Offset = Page }).Outcome.Created);
        Assert.Equal(5 * Page, new FileInfo(path).Length);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_file_with_content_is_neither_grown_nor_shrunk(bool share)
    {
        var path = _folder.File("ram", (5 * Page) - 1);
        var options = Private(path) with { Share = share, Offset = Page };
        Assert.Contains(
            "has 20479 bytes; Offset 4096 and Size 16384 need 20480 bytes", Fails(MemoryErrorIds.FileTooSmall, options).Message, StringComparison.Ordinal);

        _backends.CreateAsForetold(options with { Offset = 0 });
        Assert.Equal((5 * Page) - 1, new FileInfo(path).Length);
    }

    [Fact]
    public void The_offset_is_where_the_memory_begins()
    {
        var path = _folder.File("ram", 8 * Page);
        _backends.CreateAsForetold(Shared(path) with { Offset = 2 * Page, Size = 2 * Page }).Bytes(0, 2 * Make.Page).Fill(1);
        var content = File.ReadAllBytes(path);
        Assert.Equal([1, 1, TestFolder.Fill], new[] { content[2 * Page], content[(4 * Page) - 1], content[4 * Page] });
        Assert.Equal(TestFolder.Fill, content[(2 * Page) - 1]);
    }

    [Fact]
    public void A_directory_gives_a_new_file_without_a_name_and_needs_ReadWrite()
    {
        Assert.Contains("is a directory", Fails(MemoryErrorIds.DirectoryNeedsReadWrite, Private(_folder.Path)).Message, StringComparison.Ordinal);
        Fails(MemoryErrorIds.DirectoryNeedsReadWrite, Shared(_folder.Path) with { ReadOnly = true });

        var backend = _backends.CreateAsForetold(Shared(_folder.Path));
        Assert.True(backend.Outcome.Created);
        Assert.Empty(Directory.GetFileSystemEntries(_folder.Path));
        Assert.Null(backend.File);
        backend.Bytes(0, 4096).Fill(1);
        Assert.Equal(Page, backend.Measure().FileBlocks);
        _backends.CreateAsForetold(Private(_folder.Path) with { FileAccessMode = FileAccessMode.ReadWrite });
    }

    [Fact]
    public void Descriptors_are_closed_on_exec_and_opened_as_the_mode_says()
    {
        var path = _folder.File("ram", 4 * Page);
        const int cloexec = 0x80000;
        foreach (var (options, access) in new[] { (Private(path), 0), (Shared(path), 2) })
        {
            var backend = _backends.CreateAsForetold(options);
            var fd = Assert.Single(Directory.EnumerateFiles("/proc/self/fd"), fd => new FileInfo(fd).LinkTarget == path);
            var line = File.ReadLines($"/proc/self/fdinfo/{Path.GetFileName(fd)}").First(l => l.StartsWith("flags:", StringComparison.Ordinal));
            var flags = Convert.ToInt32(line.Split('\t')[1], 8);
            Assert.Equal((access, cloexec), (flags & 3, flags & cloexec));
            backend.Dispose();
        }

        Assert.Empty(Holdings.Descriptors(_folder.Path));
    }

    [SkippableFact]
    public void A_file_that_cannot_be_grown_so_far_is_left_as_it_was()
    {
        Skip.If(FileFacts.Of(_folder.Path).FileSystem!.Name != "ext4", "needs a file system with a small largest file: ext4 has 16 TiB");
        var largest = FileFacts.Of(_folder.Path).FileSystem!.LargestFile;
        var options = Private(_folder.In("new")) with { Offset = largest, FileAccessMode = FileAccessMode.ReadWrite };
        Fails(MemoryErrorIds.GrowFailed, options);
        Fails(MemoryErrorIds.GrowFailed, options with { Path = _folder.File("empty", 0) });

        // The kernel's own limit is the same.
        _backends.CreateAsForetold(options with { Offset = largest - options.Size });
        using var file = new RamFile(new FileOpener().Create(_folder.In("other")).Fd, created: true, unlinkOnFailure: null);
        Assert.Equal((Errno.EFBIG, (Errno)0), (file.Grow(largest + 1), file.Grow(largest)));
    }

    [Theory]
    [InlineData(MemoryErrorIds.OpenRetriesExhausted, Errno.EINTR, Errno.ENOENT, 8)]
    [InlineData(MemoryErrorIds.OpenRetriesExhausted, Errno.ENOENT, Errno.EEXIST, 8)]
    [InlineData(MemoryErrorIds.OpenRetriesExhausted, Errno.ENOENT, Errno.EINTR, 8)]
    [InlineData(MemoryErrorIds.FileSystemFull, Errno.ENOENT, Errno.ENOSPC, 1)]
    [InlineData(MemoryErrorIds.FileSystemFull, Errno.ENOENT, Errno.EDQUOT, 1)]
    [InlineData(MemoryErrorIds.OpenFailed, Errno.EMFILE, Errno.ENOENT, 1)]
    public void Only_an_interrupted_or_lost_open_is_tried_again_and_not_for_ever(string errorId, Errno opening, Errno creating, int attempts)
    {
        var opener = new FailingOpener(opening, creating);
        var plan = new BackendPlanner(opener, _ => false).Plan(Shared(_folder.In("raced")), denyPrivateDiscard: false);
        Assert.Equal(errorId, Assert.Single(plan.Errors).Id);
        Assert.Equal(attempts, opener.Opens);
    }

    private sealed class FailingOpener(Errno opening, Errno creating) : IFileOpener
    {
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
