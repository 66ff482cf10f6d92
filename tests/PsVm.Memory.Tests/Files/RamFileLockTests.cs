using Microsoft.Win32.SafeHandles;
using Mono.Unix.Native;
using PsVm.Memory.Files;
using PsVm.Memory.Tests.Support;

namespace PsVm.Memory.Tests.Files;

/// <summary>Who writes a RAM file has it alone, within one process; that of two is a test of guests (RamFileLockTests there).</summary>
public sealed class RamFileLockTests : BackendTest
{
    private const long Page = Make.Page;

    private static readonly MemoryBackendOptions s_shared = new() { Size = 2 * Page, Share = true };

    [Fact]
    public void A_second_writer_is_refused_and_told_of_the_first()
    {
        var options = s_shared with { Path = Folder.File("ram", 4 * Page) };
        using var first = Backends.CreateAsForetold(options with { Id = "first" });
        var error = Fails(MemoryErrorIds.RamFileInUse, options);
        Assert.Contains("'first'", error.Message, StringComparison.Ordinal);
        Assert.Contains("AllowSharedWriters", error.RecommendedAction, StringComparison.Ordinal);

        first.Dispose();
        using var second = Backends.CreateAsForetold(options);
        Assert.Empty(second.Outcome.Warnings);
    }

    // A process that is being started has all descriptors of this one until it runs its program, so a close alone gives nothing back.
    [Fact]
    public void A_file_is_free_as_soon_as_its_writer_is_gone_whoever_has_copies_of_its_descriptor()
    {
        MemoryBackendOptions options = s_shared with { Path = Folder.File("ram", 4 * Page) };
        MemoryBackend writer = Backends.CreateAsForetold(options);
        using SafeFileHandle copy = writer.DuplicateFile()!;
        writer.Dispose();
        Backends.CreateAsForetold(options).Dispose();
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, true)]
    public void Readers_and_writers_refuse_each_other_but_readers_share(bool share, bool readOnly)
    {
        var path = Folder.File("ram", 4 * Page);
        var writer = s_shared with { Path = path };
        var reader = s_shared with { Path = path, Share = share, ReadOnly = readOnly };
        using (Backends.CreateAsForetold(writer with { Id = "writer" }))
        {
            Assert.Contains("'writer'", Fails(MemoryErrorIds.RamFileInUse, reader).Message, StringComparison.Ordinal);
        }

        using (Backends.CreateAsForetold(reader))
        using (Backends.CreateAsForetold(reader with { Id = "reader" }))
        {
            Fails(MemoryErrorIds.RamFileInUse, writer);
        }

        Backends.CreateAsForetold(writer).Dispose();
    }

    [Fact]
    public void Writers_of_other_bytes_of_the_file_are_none_of_ours()
    {
        var path = Folder.File("ram", 4 * Page);
        using var low = Backends.CreateAsForetold(s_shared with { Path = path });
        using var high = Backends.CreateAsForetold(s_shared with { Path = path, Offset = 2 * Page });
        Fails(MemoryErrorIds.RamFileInUse, s_shared with { Path = path, Offset = Page });
    }

    [Fact]
    public void Another_manager_of_the_process_is_found_by_its_process()
    {
        var options = s_shared with { Path = Folder.File("ram", 4 * Page) };
        using var others = Make.Backends();
        using var first = others.CreateAsForetold(options);
        Assert.Contains($"process {Environment.ProcessId} ", Fails(MemoryErrorIds.RamFileInUse, options).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Who_allows_shared_writers_is_warned_and_counts_for_the_next()
    {
        var options = s_shared with { Path = Folder.File("ram", 4 * Page) };
        var first = Backends.CreateAsForetold(options with { Share = false, Id = "first" });
        using var second = Backends.CreateAsForetold(options with { AllowSharedWriters = true });
        var warning = Assert.Single(second.Outcome.Warnings);
        Assert.Equal(MemoryWarningIds.SharedWriters, warning.Id);
        Assert.Contains("'first'", warning.Message, StringComparison.Ordinal);

        first.Dispose();
        Fails(MemoryErrorIds.RamFileInUse, options);
    }

    [Fact]
    public void A_file_that_was_handed_over_is_read_by_others_and_written_by_none()
    {
        var options = s_shared with { Path = Folder.File("ram", 4 * Page) };
        using var writer = Backends.CreateAsForetold(options);
        writer.HandOverFile();
        using var clone = Backends.CreateAsForetold(options with { Share = false });
        writer.Dispose();
        Fails(MemoryErrorIds.RamFileInUse, options);
    }

    [Fact]
    public void A_writer_of_a_file_in_memory_locks_it_too()
    {
        var path = $"/dev/shm/psvm-lock-{Guid.NewGuid():n}";
        try
        {
            using var first = Backends.CreateAsForetold(s_shared with { Path = path });
            Backends.CreateFails(MemoryErrorIds.RamFileInUse, s_shared with { Path = path });
        }
        finally
        {
            File.Delete(path);
        }
    }

    [SkippableTheory]
    [InlineData(true)]
    [InlineData(false)]
    public void Files_of_huge_pages_are_locked_as_others_are(bool share)
    {
        using HugePages pages = new(4);
        using Mounted mount = Host.Mount(Folder, "hugetlbfs");
        MemoryBackendOptions writer = new() { Id = "first", Path = mount.In("ram"), Size = HugePages.Size, Share = true };
        using (MemoryBackend first = Backends.CreateAsForetold(writer))
        {
            Assert.Empty(first.Outcome.Warnings);
            MemoryBackendOptions second = writer with { Id = "second", Share = share };
            Assert.Contains("'first'", Backends.CreateFails(MemoryErrorIds.RamFileInUse, second).Message, StringComparison.Ordinal);
            using MemoryBackend beside = Backends.CreateAsForetold(second with { AllowSharedWriters = true });
            Assert.Contains(beside.Outcome.Warnings, warning => warning.Id == MemoryWarningIds.SharedWriters);
            using MemoryBackend elsewhere = Backends.CreateAsForetold(writer with { Id = "third", Path = mount.In("other") });
        }

        // Private memory of huge pages opens its file for writing, too, and locks it as a reader.
        using (Backends.CreateAsForetold(writer with { Share = false }))
        {
            Backends.CreateFails(MemoryErrorIds.RamFileInUse, writer with { Id = "second" });
            using MemoryBackend reader = Backends.CreateAsForetold(writer with { Id = "third", Share = false });
        }

        Backends.CreateAsForetold(writer).Dispose();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_file_that_another_locks_when_it_has_just_been_made_is_that_ones(bool exclusive)
    {
        MemoryBackendOptions options = s_shared with { Path = Folder.In("ram") };
        LockingOpener opener = new(new RamFileLock(exclusive, 0, long.MaxValue / 2));
        using MemoryBackends backends = new(_ => null) { Opener = opener };
        using (opener)
        {
            Assert.Empty(backends.Test(options).Errors); // nobody can foretell that
            MemoryBackendException error = Assert.Throws<MemoryBackendException>(() => backends.Create(options));

            Assert.Equal((MemoryErrorIds.RamFileInUse, options.Path), (error.ErrorId, error.Target));
            Assert.Contains($"process {Environment.ProcessId} ", error.Message, StringComparison.Ordinal);
            Assert.Equal(1, opener.Created);
            Assert.Equal([options.Path], Directory.GetFileSystemEntries(Folder.Path)); // the other one's file has its name
            Assert.Empty(backends.List());
        }

        Assert.Empty(Holdings.Descriptors(Folder.Path));
        backends.Create(options).Dispose();
    }

    [Fact]
    public void A_file_that_was_empty_is_not_truncated_when_another_has_it_by_now()
    {
        string path = Folder.File("ram", 0);
        using FileStream other = File.Open(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        RamFile grown = new(new FileOpener().Open(path, write: true).Fd, created: false, unlinkOnFailure: null);
        Assert.Equal((Errno)0, grown.Grow(Page));
        int fd = (int)other.SafeFileHandle.DangerousGetHandle();
        Assert.Equal((LockResult.Free, (Errno)0), new RamFileLock(false, 0, Page).Take(fd));

        grown.Abandon();

        Assert.Equal(Page, new FileInfo(path).Length);
    }

    [Fact]
    public void A_file_that_goes_between_opening_and_locking_is_not_grown_where_nobody_finds_it()
    {
        MemoryBackendOptions options = s_shared with { Path = Folder.File("ram", 0) };
        using MemoryBackends backends = new(_ => null) { Opener = new LosingOpener(File.Delete) };

        MemoryBackendException error = Assert.Throws<MemoryBackendException>(() => backends.Create(options));

        Assert.Equal((MemoryErrorIds.RamFileInUse, options.Path), (error.ErrorId, error.Target));
        Assert.Contains("found another one, or none", error.Message, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFileSystemEntries(Folder.Path));
        Assert.Empty(Holdings.Descriptors(Folder.Path));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(5)]
    public void A_file_that_takes_the_place_of_the_one_just_opened_is_the_one_that_is_mapped(int times)
    {
        MemoryBackendOptions options = new() { Path = Folder.File("ram", Page), Size = Page, FileAccessMode = FileAccessMode.ReadOnly };
        byte content = 0;
        LosingOpener opener = new(path => content = content < times ? Replace(path, content) : content);
        using MemoryBackends backends = new(_ => null) { Opener = opener };

        using (MemoryBackend backend = backends.Create(options))
        {
            Assert.Equal(times, FirstByte(backend));
            Assert.Single(Holdings.Descriptors(Folder.Path));
        }

        Assert.Empty(Holdings.Descriptors(Folder.Path));
    }

    [Fact]
    public void A_file_whose_place_others_take_again_and_again_is_refused_in_the_end()
    {
        MemoryBackendOptions options = s_shared with { Path = Folder.File("ram", Page), Size = Page };
        byte content = 0;
        using MemoryBackends backends = new(_ => null) { Opener = new LosingOpener(path => content = Replace(path, content)) };

        MemoryBackendException error = Assert.Throws<MemoryBackendException>(() => backends.Create(options));

        Assert.Equal((MemoryErrorIds.RamFileInUse, options.Path), (error.ErrorId, error.Target));
        Assert.Contains("found another one, or none", error.Message, StringComparison.Ordinal);
        Assert.Empty(Holdings.Descriptors(Folder.Path));
    }

    [Fact]
    public void Another_file_that_has_the_name_of_the_one_just_made_by_now_stays()
    {
        MemoryBackendOptions options = s_shared with { Path = Folder.In("ram") };
        using LockingOpener opener = new(
            new RamFileLock(true, 0, Page), path => File.Move(Folder.File("other", Page), path, overwrite: true));
        using MemoryBackends backends = new(_ => null) { Opener = opener };

        Assert.Equal(MemoryErrorIds.RamFileInUse, Assert.Throws<MemoryBackendException>(() => backends.Create(options)).ErrorId);

        Assert.Equal(Page, new FileInfo(options.Path).Length);
    }

    [Theory]
    [InlineData(Errno.EINVAL)] // a kernel before 3.15
    [InlineData(Errno.ENOLCK)] // NFS without its lock daemon
    [InlineData(Errno.EOPNOTSUPP)]
    [InlineData(Errno.ENOSYS)]
    public void Without_locks_the_file_is_mapped_and_a_warning_says_what_that_means(Errno refusal)
    {
        MemoryBackendOptions options = s_shared with { Path = Folder.In("ram") };
        using MemoryBackends backends = new(_ => null) { Opener = new LocklessOpener(refusal) };
        using MemoryBackend first = backends.Create(options);
        using MemoryBackend second = backends.Create(options);

        Assert.All([first, second], backend =>
        {
            BackendWarning warning = Assert.Single(backend.Outcome.Warnings);
            Assert.Equal(MemoryWarningIds.LocksUnavailable, warning.Id);
            Assert.Contains($"'{options.Path}' cannot be locked ({refusal} ", warning.Message, StringComparison.Ordinal);
        });
    }

    /// <summary>Opens as always, but somebody else locks each file that is created before its maker does.</summary>
    private sealed class LockingOpener(RamFileLock theirs, Action<string>? afterwards = null) : IFileOpener, IDisposable
    {
        private readonly FileOpener _opener = new();
        private readonly List<RamFile> _others = [];
        private bool _ended;

        public int Created { get; private set; }

        public FileOpening Open(string path, bool write) => _opener.Open(path, write);

        public FileOpening Create(string path)
        {
            FileOpening created = _opener.Create(path);
            if (!_ended)
            {
                Created++;
                RamFile other = new(_opener.Open(path, write: true).Fd, created: false, unlinkOnFailure: null);
                Assert.Equal((LockResult.Free, (Errno)0), theirs.Take(other.Fd));
                _others.Add(other);
                afterwards?.Invoke(path);
            }

            return created;
        }

        public FileOpening CreateUnlinked(string directory) => _opener.CreateUnlinked(directory);

        public (LockResult Result, Errno Error) Lock(string path, int fd, RamFileLock wanted) => _opener.Lock(path, fd, wanted);

        public void Dispose()
        {
            _ended = true;
            _others.ForEach(file => file.Dispose());
        }
    }

    /// <summary>Opens as always, but something happens to the file's name before it is locked.</summary>
    private sealed class LosingOpener(Action<string> lose) : IFileOpener
    {
        private readonly FileOpener _opener = new();

        public FileOpening Open(string path, bool write)
        {
            FileOpening opened = _opener.Open(path, write);
            lose(path);
            return opened;
        }

        public FileOpening Create(string path) => _opener.Create(path);

        public FileOpening CreateUnlinked(string directory) => _opener.CreateUnlinked(directory);

        public (LockResult Result, Errno Error) Lock(string path, int fd, RamFileLock wanted) => _opener.Lock(path, fd, wanted);
    }

    /// <summary>Puts another file in the place of one, whose bytes are one more.</summary>
    private static byte Replace(string path, byte content)
    {
        byte[] bytes = new byte[Page];
        Array.Fill(bytes, ++content);
        File.WriteAllBytes($"{path}.new", bytes);
        File.Move($"{path}.new", path, overwrite: true);
        return content;
    }

    private static unsafe byte FirstByte(MemoryBackend backend) => *(byte*)backend.Address;

    /// <summary>Opens as always, where nothing can be locked.</summary>
    private sealed class LocklessOpener(Errno refusal) : IFileOpener
    {
        private readonly FileOpener _opener = new();

        public FileOpening Open(string path, bool write) => _opener.Open(path, write);

        public FileOpening Create(string path) => _opener.Create(path);

        public FileOpening CreateUnlinked(string directory) => _opener.CreateUnlinked(directory);

        public (LockResult Result, Errno Error) Lock(string path, int fd, RamFileLock wanted) => (LockResult.Unavailable, refusal);
    }
}
