using PsVm.Memory.Mapping;
using PsVm.Memory.Tests.Mapping;
using PsVm.Memory.Tests.Support;

namespace PsVm.Memory.Tests.Discarding;

/// <summary>
/// A private mapping is put back to its file, as clones are that are reset. What layers make of it is LayerTests' to say.
/// </summary>
public sealed class ShowFileTests : BackendTest
{
    private const int Page = Make.Page;
    private const uint Ioctl = 16, ProcessMadvise = 440, PageMapScan = 0xc060_6610;

    [Theory]
    [InlineData(1, 1)]
    [InlineData(3, 700)]
    [InlineData(2, 1)]
    public void Copies_go_however_many_ranges_they_are(int step, int length)
    {
        MemoryBackend backend = Create(4096);

        Write(backend, 4096, step, length);
        backend.ShowFile(CancellationToken.None);

        AssertIsFile(backend);
    }

    [SkippableTheory]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(true, true)]
    public void On_kernels_that_cannot_drop_many_ranges_or_find_them(bool cannotDrop, bool cannotFind)
    {
        RefusedCall[] calls =
        [
            .. cannotDrop ? [new RefusedCall(ProcessMadvise, RefusedCall.NotPermitted)] : (RefusedCall[])[],
            .. cannotFind ? [new RefusedCall(Ioctl, RefusedCall.Invalid, (1, uint.MaxValue, PageMapScan))] : (RefusedCall[])[],
        ];
        MemoryBackend backend = Create(4096);
        try
        {
            SystemCallFilter.Run(
                () =>
                {
                    foreach (int step in (int[])[2, 1000])
                    {
                        for (int turn = 0; turn < 2; turn++)
                        {
                            Write(backend, 4096, step, 1);
                            backend.ShowFile(CancellationToken.None);
                            AssertIsFile(backend);
                        }
                    }
                },
                calls);
            Assert.Equal(cannotDrop && !cannotFind, PageDrop.IsRefused);
        }
        finally
        {
            PageDrop.IsRefused = false;
        }
    }

    [Fact]
    public void Pages_of_the_file_that_were_read_stay_mapped()
    {
        MemoryBackend backend = Create(256);
        _ = backend.Bytes(0, 256 * Page).Value();
        long resident = backend.Measure().Resident;
        backend.Bytes(10 * Page, 3 * Page).Fill(1);

        backend.ShowFile(CancellationToken.None);

        Assert.Equal(resident - (3 * Page), backend.Measure().Resident);
        AssertIsFile(backend);
    }

    [Theory]
    [InlineData(DiscardPolicy.Deny, false)]
    [InlineData(DiscardPolicy.Auto, true)]
    public void No_policy_of_discards_has_a_say(DiscardPolicy policy, bool deny)
    {
        MemoryBackend backend = Backends.Create(
            new() { Path = Folder.File("ram", 64 * Page), Size = 64 * Page, DiscardPolicy = policy, DenyPrivateDiscard = deny });
        Write(backend, 64, 2, 1);

        backend.ShowFile(CancellationToken.None);

        AssertIsFile(backend);
    }

    [Fact]
    public void While_it_is_copied_it_stays()
    {
        MemoryBackend backend = Create(4);
        backend.Bytes(0, Page).Fill(1);
        using (backend.KeepUnchanged(CancellationToken.None))
        {
            Assert.Equal(
                MemoryErrorIds.BackendBusy, Assert.Throws<MemoryBackendException>(() => backend.ShowFile(CancellationToken.None)).ErrorId);
        }

        Assert.Equal((byte)1, backend.Bytes(0, Page).Value());
    }

    [SkippableFact]
    public void On_hugetlbfs()
    {
        using HugePages lent = new(6);
        using Mounted mount = Host.Mount(Folder, "hugetlbfs");
        const int size = (int)(2 * HugePages.Size);
        using (MemoryBackend made = Backends.Create(new() { Path = mount.In("ram"), Size = size, Share = true }))
        {
            made.Bytes(0, size).Fill(TestFolder.Fill);
        }

        using MemoryBackend backend = Backends.Create(new() { Path = mount.In("ram"), Size = size });
        backend.Bytes(0, size).Fill(1);
        backend.Discard(0, HugePages.Size, DiscardPolicy.ZeroOverlay);

        backend.ShowFile(CancellationToken.None);

        Assert.Equal(TestFolder.Fill, backend.Bytes(0, size).Value());
        Assert.Equal(0, backend.Measure().Own);
    }

    private MemoryBackend Create(int pages) => Backends.Create(new() { Path = Folder.File("ram", pages * Page), Size = pages * Page });

    private static void Write(MemoryBackend backend, int pages, int step, int length)
    {
        for (int page = 0; page + length <= pages; page += step * length)
        {
            backend.Bytes(page * Page, length * Page).Fill((byte)(page + 1));
        }

        Assert.NotEqual(0, PageMap.PrivateBytes(backend.Address, backend.Size));
    }

    private static void AssertIsFile(MemoryBackend backend)
    {
        Assert.Equal(0, PageMap.PrivateBytes(backend.Address, backend.Size));
        Assert.Equal(TestFolder.Fill, backend.Bytes(0, (int)backend.Size).Value());
    }
}
