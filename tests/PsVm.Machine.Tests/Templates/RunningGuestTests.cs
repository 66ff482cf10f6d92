using Mono.Unix.Native;
using PsVm.Machine.Templates;
using PsVm.Machine.Tests.Support;
using PsVm.Memory;
using PsVm.Memory.Tests.Support;

namespace PsVm.Machine.Tests.Templates;

/// <summary>A template of a guest that writes all the time is of one moment, and the guest runs on.</summary>
[Collection(HostCollection.Name)]
public sealed class RunningGuestTests : TemplateTest
{
    private const int PagesOfHuge = 512;

    public static TheoryData<string, bool, int> Cases
    {
        get
        {
            TheoryData<string, bool, int> data = [];
            foreach (string place in new[] { "disk", "tmpfs", "xfs", "hugetlbfs", "memfd", "anonymous" })
            {
                foreach (bool share in new[] { true, false })
                {
                    foreach (int harts in new[] { 1, 2, 4 })
                    {
                        data.Add(place, share, harts);
                    }
                }
            }

            return data;
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Cases))]
    public void Each_template_is_of_one_moment(string place, bool share, int harts)
    {
        WriterGuest writer = new(harts, pages: 6 * PagesOfHuge / harts);
        using HugePages? lent = place == "hugetlbfs" ? new HugePages((int)(2 * writer.Memory / HugePages.Size) + 1) : null;
        using TestFolder folder = new();
        using Mounted? mount = place switch
        {
            "hugetlbfs" or "tmpfs" => PsVm.Memory.Tests.Support.Host.Mount(folder, place),
            "xfs" => PsVm.Memory.Tests.Support.Host.MountNew(folder, place, 400 << 20),
            _ => null,
        };
        try
        {
            string templates = place == "xfs" ? mount!.Path : Folder; // where blocks can be shared
            string path = place is "memfd" or "anonymous" ? string.Empty : mount?.In("ram") ?? folder.In("ram");
            string guest = Start(writer, place, path, share, harts);
            ulong last = 0;
            for (int round = 0; round < 4; round++)
            {
                GuestTemplate template = Make(guest, new CheckpointOptions { Path = Path.Combine(templates, "t"), Force = true });
                ulong count = CheckTemplate(writer, template);
                Assert.InRange(count, last + 1, ulong.MaxValue);
                last = count;
                AssertRuns(guest);
            }

            AssertRuns(guest);
            Host.Suspend(guest);
            CheckRam(writer, "ram");

            // Clones, which write too, and of them differential templates and clones of those.
            string clone = Clone(new GuestOptions { Template = Path.Combine(templates, "t") });
            AssertRuns(clone);
            Assert.InRange(
                CheckTemplate(writer, Make(clone, new CheckpointOptions { Path = Path.Combine(templates, "full") })), last, ulong.MaxValue);
            GuestTemplate changes = Make(clone, new CheckpointOptions { Path = Path.Combine(templates, "changes"), Differential = true });
            string second = Clone(changes);
            AssertRuns(second);
            Host.Suspend(second);
            Assert.InRange(CheckRam(writer, $"{second}.ram"), last, ulong.MaxValue);
            Host.Resume(second);
            CheckTemplate(writer, Make(second, new CheckpointOptions { Path = Path.Combine(templates, "second") }));
        }
        finally
        {
            Host.Dispose(); // before its RAM is unmounted
            Backends.Dispose();
        }
    }

    [SkippableFact]
    public void A_full_disk_hurts_no_running_guest_and_no_template_that_is_there()
    {
        using TestFolder folder = new();
        WriterGuest writer = new(harts: 2, pages: 4096);
        using Mounted small = PsVm.Memory.Tests.Support.Host.Mount(folder, "tmpfs", "size=12m");
        GuestTemplate old = MakeTemplate("old");
        Assert.Equal(0, PsVm.Memory.Tests.Support.Host.Run("cp", "-a", old.Path, small.In("t")).Code);
        string guest = Start(writer, "anonymous", string.Empty, share: false, harts: 2);

        Assert.Equal(
            GuestErrorIds.CheckpointDiskFull, ErrorOf(() => Make(guest, new CheckpointOptions { Path = small.In("t"), Force = true })));

        AssertRuns(guest);
        Assert.Equal([small.In("t")], Directory.GetFileSystemEntries(small.Path));
        Assert.Equal(old.Id, GuestTemplates.Read(small.In("t")).Id);
        CheckTemplate(writer, Make(guest, new CheckpointOptions { Path = At("t") }));
        Host.Suspend(guest);
        CheckRam(writer, "ram");
    }

    [SkippableTheory]
    [InlineData(true)]
    [InlineData(false)]
    public void What_a_RAM_file_that_shares_its_blocks_may_need_of_a_disk_that_has_less_is_told(bool isScarce)
    {
        using TestFolder folder = new();
        using Mounted mount = PsVm.Memory.Tests.Support.Host.MountNew(folder, "xfs", 400 << 20);
        try
        {
            WriterGuest writer = new(harts: 2, pages: 4096);
            string guest = Start(writer, "disk", mount.In("ram"), share: true, harts: 2);
            Assert.True(
                SpinWait.SpinUntil(() => Syscall.stat(mount.In("ram"), out Stat ram) == 0 && ram.st_blocks * 512 >= 32 << 20, Patience),
                "it writes all its pages");
            Host.Suspend(guest);
            if (isScarce)
            {
                using FileStream filler = File.Create(mount.In("filler"));
                long free = new DriveInfo(mount.Path).AvailableFreeSpace;
                Assert.Equal(0, Syscall.posix_fallocate((int)filler.SafeFileHandle.DangerousGetHandle(), 0, (ulong)(free - (16 << 20))));
            }

            GuestTemplate template = Make(guest, new CheckpointOptions { Path = mount.In("t") });

            if (isScarce)
            {
                BackendWarning warning = Assert.Single(template.Warnings);
                Assert.Equal(MemoryWarningIds.SharedBlocksNeedRoom, warning.Id);
                Assert.Matches(
                    $"room for (3[2-9]|40)(\\.\\d+)? MiB on the disk of RAM file '{mount.In("ram")}'.*found 1\\d(\\.\\d+)? MiB",
                    warning.Message);
            }
            else
            {
                Assert.Empty(template.Warnings);
            }

            Assert.Empty(GuestTemplates.Read(template.Path).Warnings);
        }
        finally
        {
            Host.Dispose(); // before its RAM is unmounted
            Backends.Dispose();
        }
    }

    [Fact]
    public async Task A_guest_that_outruns_the_copy_is_slowed_down_alone_and_not_for_ever()
    {
        WriterGuest writer = new(harts: 2, pages: 8192);
        string guest = Start(writer, "anonymous", string.Empty, share: false, harts: 2);
        string other = Boot(new GuestOptions { Memory = Memory });
        using Held progress = new();
        using CancellationTokenSource giveUp = new();
        Task<GuestTemplate> checkpoint = Checkpoint(guest, "t", progress, giveUp.Token);

        // The copier stands: what is set aside comes to its bound, and the harts stop there, while another guest is served over and over.
        Assert.True(SpinWait.SpinUntil(() => Host.LifeOf(guest).IsSlowed, Patience), "it is not slowed down");
        long before = Host.Get(guest).Instructions;
        for (int turn = 0; turn < 20; turn++)
        {
            Ask(other, "spin 5", "spin: ");
        }

        Check(other);
        Host.Suspend(guest);
        Host.Resume(guest);
        Assert.Equal(before, Host.Get(guest).Instructions);

        await giveUp.CancelAsync();
        AssertRuns(guest); // though the copier stands yet
        progress.GoOn();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => checkpoint);
        Assert.Empty(Directory.GetFileSystemEntries(Folder, "*t*"));

        using Held again = new();
        checkpoint = Checkpoint(guest, "t", again, CancellationToken.None);
        await Task.Delay(300);
        again.GoOn();
        CheckTemplate(writer, await checkpoint);
        AssertRuns(guest);
    }

    [Fact]
    public async Task A_guest_that_powers_off_meanwhile_leaves_a_template_and_is_gone_when_that_is_there()
    {
        string guest = Boot(new GuestOptions { Memory = Memory });
        string check = Check(guest);
        using Held progress = new();
        Task<GuestTemplate> checkpoint = Checkpoint(guest, "t", progress, CancellationToken.None);
        Host.WriteConsole(guest, "off\r");
        long before, after = -1;
        do
        {
            before = after;
            await Task.Delay(100);
            after = Host.Get(guest).Instructions;
        }
        while (before != after);

        // its RAM is needed
        Assert.False(Host.WaitForState(guest, GuestState.Stopped, TimeSpan.FromMilliseconds(50), CancellationToken.None));
        progress.GoOn();

        GuestTemplate template = await checkpoint;
        Assert.True(Host.WaitForState(guest, GuestState.Stopped, Patience, CancellationToken.None));
        Assert.Equal("powered off by the guest", Host.Get(guest).StopReason);
        Assert.Equal(check, Check(Clone(template)));
        Host.Remove(guest);
    }

    [Fact]
    public async Task A_guest_that_powers_off_meanwhile_can_be_stopped_without_its_template()
    {
        string guest = Boot(new GuestOptions { Memory = Memory });
        using Held progress = new();
        Task<GuestTemplate> checkpoint = Checkpoint(guest, "t", progress, CancellationToken.None);
        Host.WriteConsole(guest, "off\r");
        Thread stop = StopMeanwhile(guest);
        progress.GoOn();

        Assert.True(stop.Join(Patience));

        Assert.Equal(GuestErrorIds.GuestStopped, (await Assert.ThrowsAsync<GuestException>(() => checkpoint)).ErrorId);
        Assert.Empty(Directory.GetFileSystemEntries(Folder, "*t*"));
        Host.Remove(guest);
    }

    [Fact]
    public void A_template_tells_how_long_its_guest_stood()
    {
        string guest = Boot(new GuestOptions { Memory = Memory });

        GuestTemplate template = Make(guest, new CheckpointOptions { Path = At("t") });

        Assert.InRange(template.Pause!.Value, TimeSpan.FromTicks(1), Patience);
        Assert.Null(GuestTemplates.Read(template.Path).Pause);
    }

    private string Start(WriterGuest writer, string place, string path, bool share, int harts)
    {
        File.WriteAllBytes(At("kernel"), writer.ToKernel());
        if (path.Length > 0)
        {
            using FileStream file = File.Create(path);
            file.SetLength(writer.Memory);
        }

        Backends.Create(new MemoryBackendOptions
        {
            Id = "ram",
            Kind = place switch { "memfd" => BackendKind.Memfd, "anonymous" => BackendKind.Anonymous, _ => BackendKind.File },
            Path = path.Length > 0 ? path : null,
            Size = writer.Memory,
            Share = share,
        });
        string guest = Clone(new GuestOptions { Kernel = At("kernel"), BackendIds = ["ram"], Harts = harts });
        AssertRuns(guest);
        WaitUntil(guest, () => writer.HaveAllBegun(RamOf("ram")));
        return guest;
    }

    /// <summary>Waits until the harts have been through their pages a few times, all together.</summary>
    private void AssertRuns(string guest)
    {
        GuestInfo info = Host.Get(guest);
        long wanted = info.Instructions + (info.Memory / 4096 * 4 * 10);
        WaitUntil(guest, () => Host.Get(guest).Instructions >= wanted);
    }

    private void WaitUntil(string guest, Func<bool> condition)
    {
        for (int wait = 0; !condition(); wait++)
        {
            Assert.True(wait < 12_000 && Host.Get(guest).State == GuestState.Running, "it does not run on");
            Thread.Sleep(10);
        }
    }

    private static ulong CheckTemplate(WriterGuest writer, GuestTemplate template)
    {
        Assert.Empty(GuestTemplates.Test(template.Path, verify: true).Errors);
        return writer.Check(File.ReadAllBytes(template.RamBlocks.Single().File));
    }

    // Safety: the backend lives until the test ends, and its guest is suspended.
    private ulong CheckRam(WriterGuest writer, string id) => writer.Check(RamOf(id));

    private unsafe ReadOnlySpan<byte> RamOf(string id)
    {
        MemoryBackend ram = Backends.List().Single(backend => backend.Id == id);
        return new ReadOnlySpan<byte>((byte*)ram.Address, (int)ram.Size);
    }

    /// <summary>Begins a checkpoint that stays at its first bytes.</summary>
    private Task<GuestTemplate> Checkpoint(string guest, string name, Held progress, CancellationToken cancellation)
    {
        Task<GuestTemplate> checkpoint = Task.Factory.StartNew(
            () => Host.Checkpoint(guest, new CheckpointOptions { Path = At(name) }, progress, cancellation),
            CancellationToken.None,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default);
        progress.WaitUntilHeld(checkpoint);
        return checkpoint;
    }

    /// <summary>Progress that keeps the thread that copies.</summary>
    private sealed class Held : IProgress<StepProgress>, IDisposable
    {
        private readonly ManualResetEventSlim _isHeld = new();
        private readonly ManualResetEventSlim _goOn = new();

        public void WaitUntilHeld(Task work)
        {
            while (!_isHeld.Wait(10))
            {
                Assert.False(work.IsCompleted, $"{work.Exception}");
            }
        }

        public void GoOn() => _goOn.Set();

        public void Report(StepProgress value)
        {
            _isHeld.Set();
            _goOn.Wait();
        }

        public void Dispose() => _goOn.Set(); // who waits there is let go, and nothing else is held
    }
}
