namespace PsVm;

/// <summary>The stable ids of every <see cref="GuestException"/>: one per cause.</summary>
public static class GuestErrorIds
{
    // Names and life.

    /// <summary>No guest has the name.</summary>
    public const string GuestNotFound = nameof(GuestNotFound);

    /// <summary>Another guest has the name.</summary>
    public const string GuestNameInUse = nameof(GuestNameInUse);

    /// <summary>The name is none: empty, longer than 63 characters, or with others than letters, digits, <c>-._</c>.</summary>
    public const string GuestNameInvalid = nameof(GuestNameInvalid);

    /// <summary>The guest has stopped; what was asked needs a guest that runs or is suspended.</summary>
    public const string GuestStopped = nameof(GuestStopped);

    /// <summary>The guest has not stopped; what was asked needs one that has.</summary>
    public const string GuestNotStopped = nameof(GuestNotStopped);

    /// <summary>The guest failed: the host could not go on running it. Never thrown; <see cref="GuestInfo.Failure"/> has it.</summary>
    public const string GuestFailed = nameof(GuestFailed);

    /// <summary>The guest told the host that it failed. Never thrown; <see cref="GuestInfo.Failure"/> has it.</summary>
    public const string GuestReportedFailure = nameof(GuestReportedFailure);

    /// <summary>The guest does not read its console, and no more input can wait.</summary>
    public const string ConsoleInputFull = nameof(ConsoleInputFull);

    /// <summary>What is waited for on a console is no regular expression.</summary>
    public const string ConsolePatternInvalid = nameof(ConsolePatternInvalid);

    /// <summary>Looking for a regular expression in a console's text takes seconds: it backtracks too much.</summary>
    public const string ConsolePatternTooSlow = nameof(ConsolePatternTooSlow);

    /// <summary>The host of guests is closed.</summary>
    public const string GuestHostClosed = nameof(GuestHostClosed);

    // Disks.

    /// <summary>There is no image of a disk at the path.</summary>
    public const string DiskNotFound = nameof(DiskNotFound);

    /// <summary>An image of a disk cannot be opened as it has to be, or is no regular file.</summary>
    public const string DiskNotOpened = nameof(DiskNotOpened);

    /// <summary>An image of a disk is empty, or has no whole number of sectors of 512 bytes.</summary>
    public const string DiskSizeInvalid = nameof(DiskSizeInvalid);

    /// <summary>Somebody writes the image of a disk, or has it while it is to be written.</summary>
    public const string DiskInUse = nameof(DiskInUse);

    /// <summary>Options of a disk contradict each other.</summary>
    public const string DiskOptionConflict = nameof(DiskOptionConflict);

    /// <summary>A disk's name is none, or two disks of a guest have it.</summary>
    public const string DiskNameInvalid = nameof(DiskNameInvalid);

    /// <summary>A guest has no disk of that name.</summary>
    public const string GuestDiskNotFound = nameof(GuestDiskNotFound);

    /// <summary>A guest has no network adapter of that name.</summary>
    public const string GuestNetworkAdapterNotFound = nameof(GuestNetworkAdapterNotFound);

    /// <summary>A disk has no overlay: the guest writes its image, or writes nothing.</summary>
    public const string DiskOverlayMissing = nameof(DiskOverlayMissing);

    /// <summary>
    /// What was written over a disk cannot go into its image: the guest began from a template, or the image cannot be written.
    /// </summary>
    public const string DiskNotSaved = nameof(DiskNotSaved);

    /// <summary>The file of an overlay cannot be opened or made, or has no room for what it is to begin with.</summary>
    public const string DiskOverlayNotOpened = nameof(DiskOverlayNotOpened);

    /// <summary>What is to be an overlay's file is none, or is damaged.</summary>
    public const string DiskOverlayInvalid = nameof(DiskOverlayInvalid);

    /// <summary>
    /// An overlay lies over another image, or one that was written since; or it is not new, which that of a clone has to be.
    /// </summary>
    public const string DiskOverlayMismatch = nameof(DiskOverlayMismatch);

    /// <summary>A template is to be made of a guest that writes the image of a disk: it would not stay as it is then.</summary>
    public const string CheckpointDiskWritten = nameof(CheckpointDiskWritten);

    /// <summary>Another process does the work of a device of the guest, so its state cannot be part of a template.</summary>
    public const string CheckpointDeviceExternal = nameof(CheckpointDeviceExternal);

    /// <summary>A device of another process needs one of Socket and Path, and shared memory, which clones have not.</summary>
    public const string VhostUserOptionConflict = nameof(VhostUserOptionConflict);

    /// <summary>A tag of a device of another process is none, or is given twice.</summary>
    public const string VhostUserTagInvalid = nameof(VhostUserTagInvalid);

    /// <summary>The daemon that is to work for a device does not answer, cannot be started, or cannot do what is needed.</summary>
    public const string VhostUserUnavailable = nameof(VhostUserUnavailable);

    /// <summary>Options of a network adapter contradict each other, or one of them is none.</summary>
    public const string NetworkOptionConflict = nameof(NetworkOptionConflict);

    /// <summary>A name of a network adapter is none, or is given twice.</summary>
    public const string NetworkNameInvalid = nameof(NetworkNameInvalid);

    /// <summary>Another adapter of the host has the address (MAC).</summary>
    public const string NetworkMacInUse = nameof(NetworkMacInUse);

    /// <summary>A clone was given a network adapter that its template has not, or with another MTU.</summary>
    public const string TemplateNetworkMismatch = nameof(TemplateNetworkMismatch);

    /// <summary>A folder that is to be shared is not there, is none, or cannot be opened.</summary>
    public const string SharedFolderUnavailable = nameof(SharedFolderUnavailable);

    /// <summary>A tag of a shared folder is none, or two folders of a guest have it.</summary>
    public const string SharedFolderTagInvalid = nameof(SharedFolderTagInvalid);

    /// <summary>A guest has no shared folder of that tag.</summary>
    public const string GuestSharedFolderNotFound = nameof(GuestSharedFolderNotFound);

    /// <summary>A clone was given a shared folder for which its template's guest had no slot.</summary>
    public const string TemplateFolderMissing = nameof(TemplateFolderMissing);

    /// <summary>A template needs disks, and others, or another number of them, were given.</summary>
    public const string TemplateDiskMissing = nameof(TemplateDiskMissing);

    /// <summary>A disk that was given is not the one that the template was made with.</summary>
    public const string TemplateDiskMismatch = nameof(TemplateDiskMismatch);

    /// <summary>A named port has a name that none can have, the agent's or another's, or there are too many.</summary>
    public const string ConsolePortNameInvalid = nameof(ConsolePortNameInvalid);

    /// <summary>The socket of a named port cannot be made, or the machine type has no device for ports.</summary>
    public const string ConsolePortUnavailable = nameof(ConsolePortUnavailable);

    /// <summary>A clone was asked for with a named port that its template's guest had not.</summary>
    public const string ConsolePortMismatch = nameof(ConsolePortMismatch);

    // What network adapters lead to.

    /// <summary>A program that is to be started for a network adapter is not installed.</summary>
    public const string NetworkProgramMissing = nameof(NetworkProgramMissing);

    /// <summary>passt ends at once: the host has no network that it could share, or it was given what it does not take.</summary>
    public const string NetworkProgramFailed = nameof(NetworkProgramFailed);

    /// <summary>A port of the host that is to lead to a guest is taken, or cannot be had.</summary>
    public const string NetworkPortUnavailable = nameof(NetworkPortUnavailable);

    /// <summary>The host has no such TAP device.</summary>
    public const string TapNotFound = nameof(TapNotFound);

    /// <summary>A device of the host is no TAP device, or no name of one.</summary>
    public const string TapInvalid = nameof(TapInvalid);

    /// <summary>Another process, or guest, has the TAP device.</summary>
    public const string TapInUse = nameof(TapInUse);

    /// <summary>The TAP device is not this user's, or the host lets nobody have one.</summary>
    public const string TapNotPermitted = nameof(TapNotPermitted);

    // Agents in guests.

    /// <summary>The guest has no agent, or no port for one.</summary>
    public const string GuestAgentMissing = nameof(GuestAgentMissing);

    /// <summary>The guest's agent has gone while it was to answer: it ended, or the guest began anew.</summary>
    public const string GuestAgentGone = nameof(GuestAgentGone);

    /// <summary>The guest's agent does not answer in time.</summary>
    public const string GuestAgentSilent = nameof(GuestAgentSilent);

    /// <summary>What the guest's agent answers makes no sense.</summary>
    public const string GuestAgentGarbled = nameof(GuestAgentGarbled);

    /// <summary>What the guest's agent answers has no end.</summary>
    public const string GuestAgentFlooded = nameof(GuestAgentFlooded);

    /// <summary>The guest's agent does not do what it is asked for.</summary>
    public const string GuestAgentRefused = nameof(GuestAgentRefused);

    /// <summary>The guest is suspended; what was asked needs one that runs.</summary>
    public const string GuestSuspended = nameof(GuestSuspended);

    /// <summary>A command in a guest ran for too long.</summary>
    public const string GuestCommandTimeout = nameof(GuestCommandTimeout);

    /// <summary>A command in a guest is to read more than a request can hold.</summary>
    public const string GuestCommandInputTooLong = nameof(GuestCommandInputTooLong);

    /// <summary>A file cannot be copied between host and guest.</summary>
    public const string GuestCopyFailed = nameof(GuestCopyFailed);

    // What is in a guest's slots.

    /// <summary>The machine type has no virtio slots for so many devices, or none at all.</summary>
    public const string GuestSlotsMissing = nameof(GuestSlotsMissing);

    /// <summary>A clone is asked for with other devices in its virtio slots than the template's guest had.</summary>
    public const string TemplateSlotsMismatch = nameof(TemplateSlotsMismatch);

    // What a guest has of its RAM.

    /// <summary>A guest without a balloon is to give up RAM.</summary>
    public const string GuestBalloonMissing = nameof(GuestBalloonMissing);

    /// <summary>The guest's kernel has no driver for its balloon, or has not loaded it yet.</summary>
    public const string GuestBalloonUnused = nameof(GuestBalloonUnused);

    /// <summary>A guest is to have more RAM for itself than it has, or less than its kernel needs.</summary>
    public const string GuestMemoryTargetInvalid = nameof(GuestMemoryTargetInvalid);

    /// <summary>A guest has not given up, or taken back, as much RAM as it was asked to in time.</summary>
    public const string GuestMemoryTargetNotReached = nameof(GuestMemoryTargetNotReached);

    // What a guest is made of.

    /// <summary>The board has no room for that many harts.</summary>
    public const string HartCountInvalid = nameof(HartCountInvalid);

    /// <summary>No guest can have that identity.</summary>
    public const string GuestIdentityInvalid = nameof(GuestIdentityInvalid);

    /// <summary>No guest can have that share of the CPU.</summary>
    public const string CpuWeightInvalid = nameof(CpuWeightInvalid);

    /// <summary>No guest can be limited to that number of CPUs.</summary>
    public const string CpuLimitInvalid = nameof(CpuLimitInvalid);

    /// <summary>No guest can be limited to so little memory.</summary>
    public const string OwnMemoryLimitInvalid = nameof(OwnMemoryLimitInvalid);

    /// <summary>A guest that was suspended for what memory it has for itself still has more than its limit.</summary>
    public const string OwnMemoryLimitPassed = nameof(OwnMemoryLimitPassed);

    /// <summary>A guest that was suspended because memory is short cannot go on: it still is.</summary>
    public const string MemoryReserveReached = nameof(MemoryReserveReached);

    /// <summary>The kernel's command line holds a character that ends it.</summary>
    public const string CommandLineInvalid = nameof(CommandLineInvalid);

    /// <summary>No machine type has the name.</summary>
    public const string UnknownMachineType = nameof(UnknownMachineType);

    /// <summary>Backends were named, and default RAM was asked for too (memory-backends rules, section 7).</summary>
    public const string DefaultRamConflict = nameof(DefaultRamConflict);

    /// <summary>An initial RAM disk without a kernel.</summary>
    public const string InitrdWithoutKernel = nameof(InitrdWithoutKernel);

    // The files that boot.

    /// <summary>The kernel's file does not exist.</summary>
    public const string KernelNotFound = nameof(KernelNotFound);

    /// <summary>The kernel's file cannot be read.</summary>
    public const string KernelUnreadable = nameof(KernelUnreadable);

    /// <summary>The kernel's file is neither a flat RISC-V Linux Image nor an ELF file.</summary>
    public const string KernelNotRecognised = nameof(KernelNotRecognised);

    /// <summary>The kernel's file is compressed.</summary>
    public const string KernelCompressed = nameof(KernelCompressed);

    /// <summary>The firmware's file does not exist.</summary>
    public const string FirmwareNotFound = nameof(FirmwareNotFound);

    /// <summary>The firmware's file cannot be read.</summary>
    public const string FirmwareUnreadable = nameof(FirmwareUnreadable);

    /// <summary>The initial RAM disk's file does not exist.</summary>
    public const string InitrdNotFound = nameof(InitrdNotFound);

    /// <summary>The initial RAM disk's file cannot be read.</summary>
    public const string InitrdUnreadable = nameof(InitrdUnreadable);

    /// <summary>An ELF file for another machine.</summary>
    public const string ElfNotRiscv64 = nameof(ElfNotRiscv64);

    /// <summary>An ELF file that is not a program: an object, a core dump, or without anything to load.</summary>
    public const string ElfNotExecutable = nameof(ElfNotExecutable);

    /// <summary>An ELF file that ends before what its headers promise.</summary>
    public const string ElfTruncated = nameof(ElfTruncated);

    // Their places in RAM.

    /// <summary>A kernel or firmware wants to be where the board has no RAM.</summary>
    public const string OutsideRam = nameof(OutsideRam);

    /// <summary>The RAM is too small for the kernel, the firmware or the device tree.</summary>
    public const string RamTooSmall = nameof(RamTooSmall);

    /// <summary>The initial RAM disk does not fit in the RAM that is left.</summary>
    public const string InitrdTooLarge = nameof(InitrdTooLarge);

    /// <summary>Something must be loaded where the RAM is read-only, or RAM starts with a read-only backend.</summary>
    public const string RamReadOnly = nameof(RamReadOnly);

    /// <summary>Kernel and firmware want the same addresses.</summary>
    public const string BootImagesOverlap = nameof(BootImagesOverlap);

    // Making templates.

    /// <summary>The guest is being checkpointed already.</summary>
    public const string CheckpointInProgress = nameof(CheckpointInProgress);

    /// <summary>There is something at the path of a new template: another template, without Force, or something else.</summary>
    public const string CheckpointPathInUse = nameof(CheckpointPathInUse);

    /// <summary>A template should take over RAM files, and a backend is not a shared mapping of a named, writable file.</summary>
    public const string CheckpointRamNotShared = nameof(CheckpointRamNotShared);

    /// <summary>A differential template of a guest that was not started from a template.</summary>
    public const string CheckpointNotClone = nameof(CheckpointNotClone);

    /// <summary>The disk, or a quota, is full.</summary>
    public const string CheckpointDiskFull = nameof(CheckpointDiskFull);

    /// <summary>A template, or an archive of some, cannot be written, or what is to go cannot be removed.</summary>
    public const string CheckpointWriteFailed = nameof(CheckpointWriteFailed);

    /// <summary>A RAM file that is to be taken over has not the name any more under which it was opened.</summary>
    public const string CheckpointRamReplaced = nameof(CheckpointRamReplaced);

    /// <summary>Files of a template cannot be written to the file system: it is hugetlbfs.</summary>
    public const string CheckpointFileSystem = nameof(CheckpointFileSystem);

    // Pools of clones.

    /// <summary>There is no pool of that name.</summary>
    public const string GuestPoolNotFound = nameof(GuestPoolNotFound);

    /// <summary>There is a pool of that name.</summary>
    public const string GuestPoolNameInUse = nameof(GuestPoolNameInUse);

    /// <summary>No pool can have that name.</summary>
    public const string GuestPoolNameInvalid = nameof(GuestPoolNameInvalid);

    /// <summary>No pool can have that many clones.</summary>
    public const string GuestPoolSizeInvalid = nameof(GuestPoolSizeInvalid);

    /// <summary>A pool holds no clone, and does not grow.</summary>
    public const string GuestPoolEmpty = nameof(GuestPoolEmpty);

    /// <summary>A guest out of a pool, and something that was said when the pool was made; or a pool without a template.</summary>
    public const string GuestPoolOptionConflict = nameof(GuestPoolOptionConflict);

    // Archives of templates.

    /// <summary>There is no archive at the path.</summary>
    public const string ArchiveNotFound = nameof(ArchiveNotFound);

    /// <summary>An archive cannot be read.</summary>
    public const string ArchiveUnreadable = nameof(ArchiveUnreadable);

    /// <summary>An archive was cut short, or altered: it ends too early, or a checksum is wrong.</summary>
    public const string ArchiveDamaged = nameof(ArchiveDamaged);

    /// <summary>A file is no archive of templates, or one that holds what none may: links, other names or sizes than it lists.</summary>
    public const string ArchiveInvalid = nameof(ArchiveInvalid);

    /// <summary>An archive of a newer version.</summary>
    public const string ArchiveVersionUnsupported = nameof(ArchiveVersionUnsupported);

    /// <summary>There is something at the path of a new archive: a file, without Force, or a folder.</summary>
    public const string ArchivePathInUse = nameof(ArchivePathInUse);

    /// <summary>There is no such level of compression.</summary>
    public const string CompressionLevelInvalid = nameof(CompressionLevelInvalid);

    // Going back to templates.

    /// <summary>A guest should be put back to its template, and booted.</summary>
    public const string ResetNotClone = nameof(ResetNotClone);

    // Reading templates.

    /// <summary>There is no template at the path.</summary>
    public const string TemplateNotFound = nameof(TemplateNotFound);

    /// <summary>A template's folder lacks a file.</summary>
    public const string TemplateIncomplete = nameof(TemplateIncomplete);

    /// <summary>A template's file cannot be read.</summary>
    public const string TemplateUnreadable = nameof(TemplateUnreadable);

    /// <summary>A template's description is not what the format says.</summary>
    public const string TemplateManifestInvalid = nameof(TemplateManifestInvalid);

    /// <summary>A template of a newer format version.</summary>
    public const string TemplateVersionUnsupported = nameof(TemplateVersionUnsupported);

    /// <summary>A template's machine state is cut off, or altered: a length or checksum is wrong.</summary>
    public const string TemplateStateCorrupt = nameof(TemplateStateCorrupt);

    /// <summary>A template's machine state has a section of an unknown type or of a newer version.</summary>
    public const string TemplateStateUnsupported = nameof(TemplateStateUnsupported);

    /// <summary>A template of another board, or with devices that this one does not have.</summary>
    public const string TemplateMachineMismatch = nameof(TemplateMachineMismatch);

    /// <summary>A template of harts with other instructions.</summary>
    public const string TemplateIsaMismatch = nameof(TemplateIsaMismatch);

    /// <summary>A template of another number of harts than asked for, or than its state holds.</summary>
    public const string TemplateHartsMismatch = nameof(TemplateHartsMismatch);

    /// <summary>A template of another size of RAM than asked for.</summary>
    public const string TemplateMemoryMismatch = nameof(TemplateMemoryMismatch);

    /// <summary>A template's RAM file is another one, or has changed, since the template was made.</summary>
    public const string TemplateRamChanged = nameof(TemplateRamChanged);

    /// <summary>The file of what was written over a template's disk is another one, or has changed, since the template was made.</summary>
    public const string TemplateDiskChanged = nameof(TemplateDiskChanged);

    /// <summary>A RAM file's SHA-256 is not the recorded one.</summary>
    public const string TemplateDigestMismatch = nameof(TemplateDigestMismatch);

    /// <summary>The content of a RAM file should be verified, and its template has no SHA-256 of it.</summary>
    public const string TemplateDigestMissing = nameof(TemplateDigestMissing);

    /// <summary>The template that a differential one needs is gone.</summary>
    public const string TemplateParentNotFound = nameof(TemplateParentNotFound);

    /// <summary>
    /// Where a differential template's parent should be there is only another template, or one that needs itself in turn.
    /// </summary>
    public const string TemplateParentChanged = nameof(TemplateParentChanged);

    /// <summary>Templates that should be removed are needed by others.</summary>
    public const string TemplateNeeded = nameof(TemplateNeeded);

    /// <summary>The parent of a merged template should be one that it does not need.</summary>
    public const string CompressParentInvalid = nameof(CompressParentInvalid);

    /// <summary>A template, and something that only a guest that boots can have.</summary>
    public const string TemplateOptionConflict = nameof(TemplateOptionConflict);

    /// <summary>
    /// A template from which no guest can start before all of it is there: a differential one, or one without digests or RAM files of its
    /// own.
    /// </summary>
    public const string LazyTemplateUnsupported = nameof(LazyTemplateUnsupported);

    /// <summary>RAM of a guest that was started lazily does not come: its source failed, or ended too early.</summary>
    public const string LazySourceFailed = nameof(LazySourceFailed);

    /// <summary>A working set of a guest that was not started from a template, or that is no more the template it was.</summary>
    public const string WorkingSetNotClone = nameof(WorkingSetNotClone);

    /// <summary>A working set cannot be written beside its template.</summary>
    public const string WorkingSetUnwritable = nameof(WorkingSetUnwritable);

    /// <summary>Discards of a clone's RAM should punch holes in the template.</summary>
    public const string TemplateDiscardPolicy = nameof(TemplateDiscardPolicy);

    /// <summary>PSVM_CODE_BYTES is no size that translated code can have.</summary>
    public const string CodeBytesInvalid = nameof(CodeBytesInvalid);

    /// <summary>PSVM_CODE_SHARING is no way of sharing code.</summary>
    public const string CodeSharingInvalid = nameof(CodeSharingInvalid);
}
