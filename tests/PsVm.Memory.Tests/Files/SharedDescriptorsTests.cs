using System.Runtime.InteropServices;
using Mono.Unix.Native;
using PsVm.Memory.Files;
using PsVm.Memory.Tests.Support;

namespace PsVm.Memory.Tests.Files;

/// <summary>Backends that only read a file have one descriptor of it together.</summary>
public sealed class SharedDescriptorsTests : BackendTest
{
    private const long Page = Make.Page;

    [Fact]
    public void Many_readers_of_a_file_have_one_descriptor_and_the_last_closes_it()
    {
        string path = Folder.File("ram", 4 * Page);
        MemoryBackendOptions reader = new() { Path = path, Size = 4 * Page };
        List<MemoryBackend> clones = [.. Enumerable.Range(0, 50).Select(_ => Backends.CreateAsForetold(reader))];
        Assert.Equal(1, Descriptors(path));

        // The one who opened it goes first; the others' mappings still come from the file.
        foreach (MemoryBackend clone in clones[..49])
        {
            clone.Dispose();
            clone.Dispose();
        }

        Assert.Equal(1, Descriptors(path));
        clones[49].Discard(0, Page, DiscardPolicy.RestoreTemplate);
        Fails(MemoryErrorIds.RamFileInUse, reader with { Share = true });

        clones[49].Dispose();
        Assert.Equal(0, Descriptors(path));
        using MemoryBackend writer = Backends.CreateAsForetold(reader with { Share = true });
    }

    [Fact]
    public void A_file_that_its_last_reader_has_closed_is_opened_locked_and_checked_again()
    {
        string path = Folder.File("ram", 4 * Page);
        MemoryBackendOptions reader = new() { Path = path, Size = 4 * Page };
        for (int time = 0; time < 3; time++)
        {
            using MemoryBackend again = Backends.CreateAsForetold(reader); // decided once, told alike each time
            Assert.Equal(1, Descriptors(path));
        }

        Assert.Equal(0, Descriptors(path));
        using (Backends.Create(reader with { Share = true }))
        {
            Fails(MemoryErrorIds.RamFileInUse, reader);
        }

        using (Backends.CreateAsForetold(reader with { DiscardPolicy = DiscardPolicy.RestoreTemplate }))
        using (Backends.CreateAsForetold(reader with { DenyPrivateDiscard = true }))
        {
            Assert.Equal(1, Descriptors(path));
        }

        using (FileStream file = File.OpenWrite(path))
        {
            file.SetLength(2 * Page);
        }

        Fails(MemoryErrorIds.FileTooSmall, reader);
    }

    [Fact]
    public void Another_part_and_another_file_at_the_path_have_their_own()
    {
        string path = Folder.File("ram", 4 * Page);
        MemoryBackendOptions reader = new() { Path = path, Size = 2 * Page };
        using MemoryBackend first = Backends.CreateAsForetold(reader);
        using MemoryBackend behind = Backends.CreateAsForetold(reader with { Offset = 2 * Page });
        Assert.Equal(2, Descriptors(path));

        File.WriteAllBytes(path + ".new", [.. Enumerable.Repeat((byte)7, 4 * (int)Page)]);
        File.Move(path + ".new", path, overwrite: true);
        using MemoryBackend replaced = Backends.CreateAsForetold(reader);
        Assert.Equal(1, Descriptors(path));
        byte[] bytes = new byte[1];
        Marshal.Copy(replaced.Address, bytes, 0, 1);
        Assert.Equal(7, bytes[0]);
    }

    [Fact]
    public void Readers_of_a_file_come_and_go_on_many_threads()
    {
        string path = Folder.File("ram", 4 * Page);
        Parallel.For(0, 400, new ParallelOptions { MaxDegreeOfParallelism = 8 }, _ =>
        {
            using MemoryBackend clone = Backends.Create(new MemoryBackendOptions { Path = path, Size = 4 * Page });
            clone.Discard(0, Page, DiscardPolicy.RestoreTemplate);
        });
        Assert.Equal(0, Descriptors(path));
    }

    [Fact]
    public void Who_asks_for_the_same_of_an_unchanged_file_opens_nothing()
    {
        string path = Folder.File("ram", 4 * Page);
        CountingOpener opener = new();
        using MemoryBackends backends = new(_ => null) { Opener = opener };
        MemoryBackendOptions reader = new() { Path = path, Size = 4 * Page };
        using MemoryBackend first = backends.Create(reader with { Id = "first" });
        using MemoryBackend second = backends.Create(reader with { Id = "second" });
        Assert.Equal((1, "second", first.File), (opener.Opened, second.Id, second.File));
        Make.AssertSame(backends.Test(reader), second.Outcome);

        // Anything else, and anything that has changed, is looked at anew.
        using MemoryBackend denied = backends.Create(reader with { DenyPrivateDiscard = true });
        Assert.Equal(2, opener.Opened);
        File.SetUnixFileMode(path, UnixFileMode.UserRead);
        using MemoryBackend afterChange = backends.Create(reader);
        Assert.Equal(3, opener.Opened);
        Assert.NotEqual(first.File, afterChange.File);
        using MemoryBackend afterThat = backends.Create(reader);
        Assert.Equal((3, afterChange.File, 1), (opener.Opened, afterThat.File, Descriptors(path)));
        File.Copy(path, path + ".new");
        File.Move(path + ".new", path, overwrite: true);
        using MemoryBackend replaced = backends.Create(reader);
        Assert.Equal(4, opener.Opened);
        Assert.False(replaced.File!.Value.IsSameFile(first.File!.Value));
    }

    [Fact]
    public void Who_comes_after_a_writer_that_was_let_in_beside_the_others_is_refused()
    {
        MemoryBackendOptions reader = new() { Path = Folder.File("ram", 4 * Page), Size = 4 * Page };
        using MemoryBackend first = Backends.CreateAsForetold(reader);
        using (Backends.Create(reader with { Share = true, AllowSharedWriters = true }))
        {
            Fails(MemoryErrorIds.RamFileInUse, reader);
        }

        using MemoryBackend second = Backends.CreateAsForetold(reader);
    }

    private static int Descriptors(string path) =>
        Directory.GetFiles("/proc/self/fd").Count(open => new FileInfo(open).LinkTarget == path);

    /// <summary>Opens as always, and counts.</summary>
    private sealed class CountingOpener : IFileOpener
    {
        private readonly FileOpener _opener = new();

        public int Opened { get; private set; }

        public FileOpening Open(string path, bool write)
        {
            Opened++;
            return _opener.Open(path, write);
        }

        public FileOpening Create(string path) => _opener.Create(path);

        public FileOpening CreateUnlinked(string directory) => _opener.CreateUnlinked(directory);

        public (LockResult Result, Errno Error) Lock(string path, int fd, RamFileLock wanted) => _opener.Lock(path, fd, wanted);
    }
}
