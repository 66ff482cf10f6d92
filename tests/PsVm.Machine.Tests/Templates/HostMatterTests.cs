using PsVm.Machine.Board;
using PsVm.Machine.Devices;
using PsVm.Machine.Firmware;
using PsVm.Machine.Templates;
using PsVm.Machine.Tests.Support;
using PsVm.Memory;
using PsVm.Memory.Options;
using PsVm.Memory.Tests.Support;
using PsVm.Riscv;

namespace PsVm.Machine.Tests.Templates;

/// <summary>
/// How RAM is opened, mapped and discarded is the host's matter: no template holds it, and each restores under any of it.
/// </summary>
public sealed class HostMatterTests : TemplateTest
{
    public static TheoryData<FileAccessMode, DiscardPolicy, string, bool> Matters
    {
        get
        {
            TheoryData<FileAccessMode, DiscardPolicy, string, bool> data = [];
            foreach (string machineType in new[] { "virt", "virt-1.0", "virt-1.1", "virt-1.2", "virt-1.3", "virt-1.4" })
            {
                foreach (FileAccessMode mode in Enum.GetValues<FileAccessMode>())
                {
                    data.Add(mode, DiscardPolicy.Auto, machineType, false);
                }
            }

            foreach (DiscardPolicy policy in Enum.GetValues<DiscardPolicy>().Except([DiscardPolicy.Auto, DiscardPolicy.PunchHole]))
            {
                data.Add(FileAccessMode.ReadOnly, policy, "virt", false);
            }

            data.Add(FileAccessMode.Auto, DiscardPolicy.Auto, "virt", true);
            return data;
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Matters))]
    public void A_template_holds_no_host_matter_and_restores_under_any(
        FileAccessMode mode, DiscardPolicy policy, string machineType, bool deny)
    {
        // Writing a file that is 0444 is root's alone.
        Skip.If(mode == FileAccessMode.ReadWrite && !Environment.IsPrivilegedProcess, "needs root");
        GuestTemplate template = MakeTemplate("t", digest: true);
        GuestOptions options = new()
        {
            Name = "clone",
            Template = template.Path,
            FileAccessMode = mode,
            DiscardPolicy = policy,
            MachineType = machineType,
            DenyPrivateDiscard = deny,
        };

        // Restored under these and saved again without having run, the state is the same to the byte.
        TemplateSource source = TemplateSource.Open(template.Path);
        using (GuestRam ram = TemplateRam.Map(Backends, options with { MachineType = MachineTypes.Resolve(machineType) }, source, default))
        using (CodeCache code = new(TranslatorOptions.Off))
        using (GuestBoard board = new(
            MachineType.Get(machineType), ram.Memory, 1, Sbi.For(ram.Memory, new GuestConsole(), (_, _) => { }),
            code, new GuestConsole(), (_, _) => { }))
        {
            board.Clock.Pause();
            source.State.Restore(board, template.Devices);
            byte[] before = File.ReadAllBytes(Path.Combine(template.Path, "state.bin"));
            byte[] after = MachineState.Save(template.Id, board, source.State.ReadIdentity().Uuid, null);
            if (!board.Parts.Any(part => MachineType.AllDeviceNames.Contains(part.Name) && !template.Devices.Contains(part.Name)))
            {
                Assert.Equal(before, after);
            }
            else
            {
                Assert.True(after.Length > before.Length, "the board has more devices, which have their own state");
            }
        }

        // And there and back: a template made under them restores under none.
        string clone = Clone(options);
        string check = Check(clone);
        GuestTemplate second = Make(clone, new CheckpointOptions { Path = At("second") });
        Assert.Equal(check, Check(Clone(second)));
        Assert.Equal(template.RamBlocks.Single().Sha256, Sha256(template.RamBlocks.Single().File));
        string state = System.Text.Encoding.Latin1.GetString(File.ReadAllBytes(Path.Combine(second.Path, "state.bin")));
        Assert.DoesNotContain(Folder, state, StringComparison.Ordinal);
    }

    [Fact]
    public void What_discards_private_file_memory_is_refused_when_DenyPrivateDiscard_holds()
    {
        // Boards have no balloon yet; what would attach one asks the backend first.
        GuestTemplate template = MakeTemplate("t");
        Clone(new GuestOptions { Template = template.Path, DenyPrivateDiscard = true });

        Assert.Equal(MemoryErrorIds.ConsumerNeedsDiscard, ErrorOf(() => Backends.List().Single().CheckConsumer(MemoryConsumer.Balloon)));
        Assert.Equal(MemoryErrorIds.DiscardDenied, ErrorOf(() => Backends.List().Single().Discard(0, 4096)));
    }

    [SkippableTheory]
    [InlineData("tmpfs", true, false)]
    [InlineData("tmpfs", true, true)]
    [InlineData("tmpfs", false, false)]
    [InlineData("hugetlbfs", true, false)]
    [InlineData("hugetlbfs", false, false)]
    [InlineData("hugetlbfs", true, true)]
    public void RAM_on_other_file_systems_becomes_a_template(string fileSystem, bool share, bool useRamFile)
    {
        using HugePages? pages = fileSystem == "hugetlbfs" ? new HugePages(8) : null;
        using TestFolder folder = new();
        using Mounted mount = PsVm.Memory.Tests.Support.Host.Mount(folder, fileSystem);
        MemoryBackendOptions ram = new() { Id = "ram", Path = mount.In("ram"), Size = Memory, Share = share };
        Backends.Create(ram with { FileAccessMode = FileAccessMode.ReadWrite });
        string guest = Boot(new GuestOptions { BackendIds = ["ram"] });
        string check = Check(guest);

        GuestTemplate template = Make(guest, new CheckpointOptions { Path = At("t"), UseRamFile = useRamFile });
        string clone = Clone(template);

        Assert.Equal(check, Check(clone));
        Assert.Equal($"{clone}.ram", Host.Get(clone).Backends.Single().Id);
        Assert.Equal(useRamFile, Host.Get(clone).Backends.Single().FileSystem == fileSystem);
        End(clone);
        Host.Dispose(); // before its RAM is unmounted
        Backends.Dispose();
    }

    [SkippableFact]
    public void Where_files_can_only_be_mapped_no_template_is_written_and_no_RAM_copied()
    {
        using HugePages pages = new(2);
        using TestFolder folder = new();
        using Mounted mount = PsVm.Memory.Tests.Support.Host.Mount(folder, "hugetlbfs");
        string guest = Boot(new GuestOptions { Memory = Memory });
        List<StepProgress> told = [];

        Assert.Equal(GuestErrorIds.CheckpointFileSystem, ErrorOf(
            () => Host.Checkpoint(
                guest, new CheckpointOptions { Path = mount.In("new/t") }, new Reported(told.Add), CancellationToken.None)));

        Assert.Empty(told);
        Assert.Empty(Directory.GetFileSystemEntries(mount.Path));
        Check(guest);
    }

    [SkippableFact]
    public void Clones_for_whose_huge_pages_there_is_no_room_are_refused_and_the_others_run_on()
    {
        const int blockPages = (int)(Memory / HugePages.Size);
        using HugePages pages = new(3 * blockPages); // of the template, and of two clones
        using TestFolder folder = new();
        using Mounted mount = PsVm.Memory.Tests.Support.Host.Mount(folder, "hugetlbfs");
        try
        {
            Backends.Create(new MemoryBackendOptions { Id = "ram", Path = mount.In("ram"), Size = Memory, Share = true });
            string guest = Boot(new GuestOptions { BackendIds = ["ram"] });
            string check = Check(guest);
            GuestTemplate template = Make(guest, new CheckpointOptions { Path = At("t"), UseRamFile = true });
            string[] clones = [Clone(template), Clone(template)];

            Assert.Equal(MemoryErrorIds.NotEnoughHugePages, ErrorOf(() => Clone(template)));
            PsVmException foretold = Assert.ThrowsAny<PsVmException>(() => Host.CheckStart(new GuestOptions { Template = template.Path }));
            Assert.Equal(MemoryErrorIds.NotEnoughHugePages, foretold.ErrorId);

            Assert.All(clones, clone => Assert.Equal(check, Check(clone)));
            Host.Stop(clones[0]);
            Host.Remove(clones[0]);
            Assert.Equal(check, Check(Clone(template)));
        }
        finally
        {
            Host.Dispose(); // before its RAM is unmounted
            Backends.Dispose();
        }
    }

    [SkippableFact]
    public void A_fleet_or_pool_for_a_part_of_which_there_are_huge_pages_is_refused_before_any_of_it_is_made()
    {
        const int blockPages = (int)(Memory / HugePages.Size);
        using HugePages pages = new(4 * blockPages); // of the template, and of three clones
        using TestFolder folder = new();
        using Mounted mount = PsVm.Memory.Tests.Support.Host.Mount(folder, "hugetlbfs");
        try
        {
            Backends.Create(new MemoryBackendOptions { Id = "ram", Path = mount.In("ram"), Size = Memory, Share = true });
            string guest = Boot(new GuestOptions { BackendIds = ["ram"] });
            GuestTemplate template = Make(guest, new CheckpointOptions { Path = At("t"), UseRamFile = true });
            GuestOptions options = new() { Template = template.Path };
            long free = HugePages.Free;

            Host.CheckRoom(options, 3);
            MemoryBackendException refused = Assert.Throws<MemoryBackendException>(() => Host.CheckRoom(options, 4));
            Assert.Equal(MemoryErrorIds.NotEnoughHugePages, refused.ErrorId);
            Assert.Contains($"reserve {4 * blockPages} huge pages", refused.Message, StringComparison.Ordinal);
            Assert.Contains($"{3 * blockPages} (", refused.Message, StringComparison.Ordinal);
            Assert.Contains("enough for 3", refused.Message, StringComparison.Ordinal);
            GuestPoolOptions pool = new() { Name = "web", Guest = options, Size = 4 };
            Assert.Equal(MemoryErrorIds.NotEnoughHugePages, ErrorOf(() => Host.Pools.CheckCreate(pool)));
            Assert.Equal(MemoryErrorIds.NotEnoughHugePages, ErrorOf(() => Host.Pools.Create(pool)));
            Assert.Equal(free, HugePages.Free);

            // Each reserves all of its RAM, though it has written to little of it.
            string clone = Clone(template);
            Check(clone);
            Host.CheckRoom(options, 2);
            Assert.Equal(MemoryErrorIds.NotEnoughHugePages, ErrorOf(() => Host.CheckRoom(options, 3)));
            Assert.InRange(free - HugePages.Free, 1, blockPages);
        }
        finally
        {
            Host.Dispose(); // before its RAM is unmounted
            Backends.Dispose();
        }
    }

    [SkippableFact]
    public void Where_the_file_system_can_a_template_shares_the_blocks_of_the_RAM_file()
    {
        using TestFolder folder = new();
        using Mounted mount = PsVm.Memory.Tests.Support.Host.MountNew(folder, "xfs", 400 << 20);
        Backends.Create(new MemoryBackendOptions { Id = "ram", Path = mount.In("ram"), Size = Memory, Share = true });
        string guest = Boot(new GuestOptions { BackendIds = ["ram"] });
        string check = Check(guest);

        GuestTemplate template = Make(guest, new CheckpointOptions { Path = mount.In("t") });

        (int code, string extents) = PsVm.Memory.Tests.Support.Host.Run(
            "filefrag", "-v", Path.Combine(template.Path, template.RamBlocks[0].File));
        Skip.IfNot(code == 0, $"filefrag: {extents}");
        Assert.Contains("shared", extents, StringComparison.Ordinal);
        string clone = Clone(template);
        Assert.Equal(check, Check(clone));
        End(clone);
        Host.Dispose(); // before its RAM is unmounted
        Backends.Dispose();
    }
}
