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

    /// <summary>The guest does not read its console, and no more input can wait.</summary>
    public const string ConsoleInputFull = nameof(ConsoleInputFull);

    /// <summary>The host of guests is closed.</summary>
    public const string GuestHostClosed = nameof(GuestHostClosed);

    // What a guest is made of.

    /// <summary>The board has no room for that many harts.</summary>
    public const string HartCountInvalid = nameof(HartCountInvalid);

    /// <summary>No machine type has the name.</summary>
    public const string MachineTypeUnknown = nameof(MachineTypeUnknown);

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

    /// <summary>Something must be loaded where the RAM is read-only.</summary>
    public const string RamReadOnly = nameof(RamReadOnly);

    /// <summary>Kernel and firmware want the same addresses.</summary>
    public const string BootImagesOverlap = nameof(BootImagesOverlap);
}
