namespace PsVm;

/// <summary>The stable ids of every <see cref="GuestException"/>: one per cause.</summary>
public static class GuestErrorIds
{
    // Names and life.

    /// <summary>No guest has the name.</summary>
    public const string GuestNotFound = nameof(GuestNotFound);

    /// <summary>Another guest has the name.</summary>
    public const string GuestNameInUse = nameof(GuestNameInUse);

    /// <summary>The name is empty or blank.</summary>
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

    /// <summary>The host of guests is closed.</summary>
    public const string GuestHostClosed = nameof(GuestHostClosed);

    // What a guest is made of.

    /// <summary>The board has no room for that many harts.</summary>
    public const string HartCountInvalid = nameof(HartCountInvalid);

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

    /// <summary>A template's file cannot be written.</summary>
    public const string CheckpointWriteFailed = nameof(CheckpointWriteFailed);

    /// <summary>A RAM file that is to be taken over has not the name any more under which it was opened.</summary>
    public const string CheckpointRamReplaced = nameof(CheckpointRamReplaced);

    /// <summary>Files of a template cannot be written to the file system: it is hugetlbfs.</summary>
    public const string CheckpointFileSystem = nameof(CheckpointFileSystem);

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

    /// <summary>A RAM file's SHA-256 is not the recorded one.</summary>
    public const string TemplateDigestMismatch = nameof(TemplateDigestMismatch);

    /// <summary>The content of a RAM file should be verified, and its template has no SHA-256 of it.</summary>
    public const string TemplateDigestMissing = nameof(TemplateDigestMissing);

    /// <summary>The template that a differential one needs is gone.</summary>
    public const string TemplateParentNotFound = nameof(TemplateParentNotFound);

    /// <summary>Where a differential template's parent was, there is another template, or one that needs it in turn.</summary>
    public const string TemplateParentChanged = nameof(TemplateParentChanged);

    /// <summary>A template, and something that only a guest that boots can have.</summary>
    public const string TemplateOptionConflict = nameof(TemplateOptionConflict);

    /// <summary>Discards of a clone's RAM should punch holes in the template.</summary>
    public const string TemplateDiscardPolicy = nameof(TemplateDiscardPolicy);

    /// <summary>PSVM_CODE_BYTES is no size that translated code can have.</summary>
    public const string CodeBytesInvalid = nameof(CodeBytesInvalid);

    /// <summary>PSVM_CODE_SHARING is no way of sharing code.</summary>
    public const string CodeSharingInvalid = nameof(CodeSharingInvalid);
}
