namespace PsVm;

/// <summary>What an operator asks of a guest. Sizes are bytes.</summary>
public sealed record GuestOptions
{
    /// <summary>Unique among guests; null: generated.</summary>
    public string? Name { get; init; }

    /// <summary>Live backends that make up the RAM, in address order from 0x80000000; empty: see <see cref="MemoryPath"/>.</summary>
    public IReadOnlyList<BackendReference> BackendIds { get; init; } = [];

    /// <summary>The default RAM (<c>ram.default</c>) as a private mapping of this file; null: anonymous memory.</summary>
    public string? MemoryPath { get; init; }

    /// <summary>Size of the default RAM; 0: 128 MiB.</summary>
    public long Memory { get; init; }

    /// <summary>Flat Linux Image or ELF; null and no <see cref="Firmware"/>: the embedded guest.</summary>
    public string? Kernel { get; init; }

    /// <summary>
    /// Disks, by the slots of the board; a template's clones need those that it was made with. They need a machine type with slots.
    /// </summary>
    public IReadOnlyList<GuestDiskOptions> Disks { get; init => field = ValueList.Of(value); } = ValueList.Of<GuestDiskOptions>([]);

    /// <summary>Devices whose work other processes do, behind the disks; all of the guest's RAM has to be shared for them.</summary>
    public IReadOnlyList<GuestVhostUserOptions> VhostUser { get; init => field = ValueList.Of(value); } =
        ValueList.Of<GuestVhostUserOptions>([]);

    /// <summary>
    /// Named ports of its console device, beside that of the agent. A template's clones have those that it was made with, each with a
    /// socket of its own.
    /// </summary>
    public IReadOnlyList<GuestConsolePortOptions> ConsolePorts { get; init => field = ValueList.Of(value); } =
        ValueList.Of<GuestConsolePortOptions>([]);

    /// <summary>
    /// Network adapters, behind all else in slots. Of a clone: what those of its template lead to now; one that is not among them is on the
    /// hub that the template's was on, or leads nowhere.
    /// </summary>
    public IReadOnlyList<GuestNetworkOptions> Networks { get; init => field = ValueList.Of(value); } =
        ValueList.Of<GuestNetworkOptions>([]);

    /// <summary>
    /// Folders of the host's that the guest shares (9P), behind those. A template's clones have the slots for them, by their tags: one that
    /// is not given is stale until it is (<see cref="IGuestSharedFolders"/>).
    /// </summary>
    public IReadOnlyList<GuestSharedFolderOptions> SharedFolders { get; init => field = ValueList.Of(value); } =
        ValueList.Of<GuestSharedFolderOptions>([]);

    /// <summary>Initial RAM disk.</summary>
    public string? Initrd { get; init; }

    /// <summary>ELF or flat machine-mode firmware; null: the built-in SBI.</summary>
    public string? Firmware { get; init; }

    /// <summary>The kernel's command line.</summary>
    public string? CommandLine { get; init; }

    /// <summary>Number of harts; null: one, or the template's.</summary>
    public int? Harts { get; init; }

    /// <summary><c>virt</c>, <c>virt-1.0</c>, <c>virt-1.1</c>, <c>virt-1.2</c>, <c>virt-1.3</c> or <c>virt-1.4</c>; null: <c>virt</c>, the
    /// template's, or <c>virt-1.4</c> for a guest that boots with something in its slots.</summary>
    public string? MachineType { get; init; }

    /// <inheritdoc cref="MemoryBackendOptions.DenyPrivateDiscard"/>
    /// <remarks>It is about the default RAM and a clone's.</remarks>
    public bool DenyPrivateDiscard { get; init; }

    /// <inheritdoc cref="MemoryBackendOptions.AllowPrivateDiscard"/>
    /// <remarks>It is about the default RAM and a clone's.</remarks>
    public bool AllowPrivateDiscard { get; init; }

    /// <summary>Folder of a template: the guest goes on where that one was checkpointed. It excludes all that boots.</summary>
    /// <remarks>
    /// Its RAM is private mappings of the template's files. <see cref="MemoryPath"/> then names another copy of its only RAM file, which
    /// takes <see cref="Verify"/>; <see cref="Memory"/> and <see cref="Harts"/>, when given, must be the template's.
    /// </remarks>
    public string? Template { get; init; }

    /// <summary>
    /// Name of a pool (<see cref="IGuestPools"/>): the guest is one of the clones that it holds. What else a guest is made of was said when
    /// the pool was made; name, notes, labels, and what it may have of the CPU and of memory are said here.
    /// </summary>
    public string? Pool { get; init; }

    /// <summary>
    /// The guest starts at once on a copy of the template that is made while it runs: what it needs comes first, the rest in order. For
    /// templates on slow file systems. All guests of one template and destination share the copy.
    /// </summary>
    public bool Lazy { get; init; }

    /// <summary>
    /// Where the copy that a lazy start makes becomes a template: in a folder that is there under the template's name, else of that path.
    /// One of the same id that is there is used as it is. Null: the copy is in the folder for temporary files, and goes with the last guest
    /// that has it.
    /// </summary>
    public string? Destination { get; init; }

    /// <summary>
    /// Folders in which the templates that a differential one needs are looked for, before where they were when it was made.
    /// </summary>
    /// <remarks>
    /// Those that the variable PSVM_TEMPLATE_PATH names, separated by colons, follow. Beside the template they are looked for always.
    /// </remarks>
    public IReadOnlyList<string> SearchPath { get; init; } = [];

    /// <summary>
    /// Compute the digests of the template's RAM files, which reads all of them, also where nothing says that they have changed.
    /// </summary>
    public bool Verify { get; init; }

    /// <summary>The guest is the one that was checkpointed, restored: same UUID and generation id, no fresh seeds.</summary>
    public bool KeepIdentity { get; init; }

    /// <summary>How the template's RAM files are opened.</summary>
    public FileAccessMode FileAccessMode { get; init; }

    /// <summary>
    /// The guest has a balloon, by which it gives RAM back to the host: where an operator wants that, and what its kernel reports as free.
    /// Null: as the template's guest, else none.
    /// </summary>
    public bool? Balloon { get; init; }

    /// <summary>Who a clone is, which its agent sees to after each start and reset; null: who its template's guest was.</summary>
    public CloneIdentity? Identity { get; init; }

    /// <summary>A guest that reboots stops instead.</summary>
    public bool NoReboot { get; init; }

    /// <summary>What an operator wants to remember; null: nothing.</summary>
    public string? Notes { get; init; }

    /// <summary>Words that operators select guests by.</summary>
    public IReadOnlyDictionary<string, string> Labels { get; init; } = GuestLabels.None;

    /// <summary>
    /// Share of a busy host's CPUs, beside those of other guests: 1 to 10000; null: 100. One of 200 gets twice as much as one of 100.
    /// </summary>
    /// <remarks>As cpu.weight of Linux's control groups (admin-guide/cgroup-v2). A template does not hold it.</remarks>
    public int? CpuWeight { get; init; }

    /// <summary>Most host CPUs that its harts use together, such as 0.5 or 2: 0.01 to 1000; null or 0: all.</summary>
    /// <remarks>Each 100 ms it has a budget of CPU time, as with cpu.max of Linux's control groups. A template does not hold it.</remarks>
    public double? CpuLimit { get; init; }

    /// <summary>
    /// Most bytes of memory that it may have for itself: anonymous pages and private copies, and all of RAM that is shared and in memory
    /// only (memfd, tmpfs). At least 1 MiB; null or 0: any number. A template does not hold it.
    /// </summary>
    public long? OwnMemoryLimit { get; init; }

    /// <summary>What is done when it takes more than that, or more than the host can spare; null: it is suspended.</summary>
    public OwnMemoryAction? OwnMemoryAction { get; init; }

    /// <summary>What discards of a clone's RAM do; PunchHole is refused, since it would write to the template.</summary>
    public DiscardPolicy DiscardPolicy { get; init; }
}
