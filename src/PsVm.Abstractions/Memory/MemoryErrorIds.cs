namespace PsVm;

/// <summary>The stable ids of every error about a memory backend: one per cause.</summary>
/// <remarks>Source: memory-backends rules. Sections are named where one decides.</remarks>
public static class MemoryErrorIds
{
    /// <summary>Guest RAM is mapped on Linux only.</summary>
    public const string RequiresLinux = nameof(RequiresLinux);

    // Identity of a backend.

    /// <summary>The id is empty or blank.</summary>
    public const string InvalidId = nameof(InvalidId);

    /// <summary>Another live backend has the id.</summary>
    public const string DuplicateId = nameof(DuplicateId);

    /// <summary><c>ram.default</c> belongs to the default RAM (section 7).</summary>
    public const string ReservedId = nameof(ReservedId);

    /// <summary>No live backend has the id.</summary>
    public const string BackendNotFound = nameof(BackendNotFound);

    /// <summary>Several guests have a default RAM, so that its id names no single backend.</summary>
    public const string AmbiguousId = nameof(AmbiguousId);

    /// <summary>A guest uses the backend.</summary>
    public const string BackendInUse = nameof(BackendInUse);

    /// <summary>The backend's memory must stay as it is, because its guest is being checkpointed.</summary>
    public const string BackendBusy = nameof(BackendBusy);

    // Options that contradict each other (sections 1 and 2).

    /// <summary>No machine type has the name.</summary>
    public const string UnknownMachineType = nameof(UnknownMachineType);

    /// <summary>Kind File needs a path.</summary>
    public const string PathRequired = nameof(PathRequired);

    /// <summary>Memfd and Anonymous take no path.</summary>
    public const string PathNotAllowed = nameof(PathNotAllowed);

    /// <summary>Only a file has an offset.</summary>
    public const string OffsetNeedsFile = nameof(OffsetNeedsFile);

    /// <summary>Read-only memory needs a file that holds its content.</summary>
    public const string ReadOnlyNeedsFile = nameof(ReadOnlyNeedsFile);

    /// <summary>The file access mode has no meaning without a named file.</summary>
    public const string FileAccessModeNeedsFile = nameof(FileAccessModeNeedsFile);

    /// <summary>A shared writable mapping needs a writable file.</summary>
    public const string SharedWritableNeedsWritableFile = nameof(SharedWritableNeedsWritableFile);

    /// <summary>Read-only memory needs no writable file.</summary>
    public const string ReadOnlyMemoryNeedsNoWritableFile = nameof(ReadOnlyMemoryNeedsNoWritableFile);

    /// <summary>An explicit ReadWrite on a private mapping under DenyPrivateDiscard.</summary>
    public const string PrivateReadWriteDenied = nameof(PrivateReadWriteDenied);

    /// <summary>DenyPrivateDiscard together with AllowPrivateDiscard.</summary>
    public const string PrivateDiscardConflict = nameof(PrivateDiscardConflict);

    /// <summary>PSVM_DENY_PRIVATE_DISCARD is neither a yes nor a no.</summary>
    public const string PolicyVariableInvalid = nameof(PolicyVariableInvalid);

    /// <summary>Guests cannot leave that much memory: it is negative, or more than there is.</summary>
    public const string MemoryReserveInvalid = nameof(MemoryReserveInvalid);

    /// <summary>The number of preallocation threads is negative.</summary>
    public const string InvalidPreallocThreads = nameof(InvalidPreallocThreads);

    /// <summary>Preallocating a private file mapping copies every page (section 4).</summary>
    public const string PreallocCopiesFile = nameof(PreallocCopiesFile);

    /// <summary>Host nodes and NUMA policy do not fit together.</summary>
    public const string InvalidHostNodes = nameof(InvalidHostNodes);

    /// <summary>The host has no such NUMA node.</summary>
    public const string HostNodeNotOnline = nameof(HostNodeNotOnline);

    // Geometry, against the backing page size (section 3).

    /// <summary>The size is zero or negative.</summary>
    public const string InvalidSize = nameof(InvalidSize);

    /// <summary>The size is no multiple of the backing page size.</summary>
    public const string SizeMisaligned = nameof(SizeMisaligned);

    /// <summary>Offset, size and alignment exceed a process's address space or a file's largest offset.</summary>
    public const string SizeTooLarge = nameof(SizeTooLarge);

    /// <summary>The offset is negative or no multiple of the backing page size.</summary>
    public const string OffsetMisaligned = nameof(OffsetMisaligned);

    /// <summary>The alignment is no power of two or smaller than the backing page size.</summary>
    public const string AlignMisaligned = nameof(AlignMisaligned);

    // Discard policy against the mapping (section 5).

    /// <summary>ZeroOverlay and RestoreTemplate need a private mapping.</summary>
    public const string DiscardPolicyNeedsPrivateMapping = nameof(DiscardPolicyNeedsPrivateMapping);

    /// <summary>RestoreTemplate needs a file whose content can show again.</summary>
    public const string RestoreTemplateNeedsFile = nameof(RestoreTemplateNeedsFile);

    /// <summary>PunchHole needs a file that is open ReadWrite.</summary>
    public const string PunchHoleNeedsWritableFile = nameof(PunchHoleNeedsWritableFile);

    // Opening (section 3).

    /// <summary>There is no such file, and this open does not create one.</summary>
    public const string FileNotFound = nameof(FileNotFound);

    /// <summary>The directory of the path does not exist or is no directory.</summary>
    public const string DirectoryNotFound = nameof(DirectoryNotFound);

    /// <summary>The path is a symbolic link to nothing.</summary>
    public const string DanglingLink = nameof(DanglingLink);

    /// <summary>The open was interrupted or lost a race too often.</summary>
    public const string OpenRetriesExhausted = nameof(OpenRetriesExhausted);

    /// <summary>EACCES: the permissions forbid the open.</summary>
    public const string FileAccessDenied = nameof(FileAccessDenied);

    /// <summary>EROFS: the file system is mounted read-only.</summary>
    public const string ReadOnlyFileSystem = nameof(ReadOnlyFileSystem);

    /// <summary>EPERM: the file is immutable, append-only or sealed.</summary>
    public const string FileImmutable = nameof(FileImmutable);

    /// <summary>ETXTBSY: the file is a running executable.</summary>
    public const string FileIsRunning = nameof(FileIsRunning);

    /// <summary>A file cannot be created in the directory.</summary>
    public const string DirectoryNotWritable = nameof(DirectoryNotWritable);

    /// <summary>The open failed for another reason, which the message names.</summary>
    public const string OpenFailed = nameof(OpenFailed);

    /// <summary>A FIFO, socket or device cannot back guest RAM.</summary>
    public const string NotRegularFile = nameof(NotRegularFile);

    /// <summary>A directory gives a new file, which needs ReadWrite.</summary>
    public const string DirectoryNeedsReadWrite = nameof(DirectoryNeedsReadWrite);

    /// <summary>An empty file cannot be grown when it is open ReadOnly.</summary>
    public const string EmptyFileReadOnly = nameof(EmptyFileReadOnly);

    /// <summary>The file is smaller than offset and size need.</summary>
    public const string FileTooSmall = nameof(FileTooSmall);

    /// <summary>The file system has less room than the shared memory may come to need, or none.</summary>
    public const string FileSystemFull = nameof(FileSystemFull);

    /// <summary>The file cannot be grown to offset and size.</summary>
    public const string GrowFailed = nameof(GrowFailed);

    /// <summary>Somebody has a lock on the file that forbids to write it, or to map what is written.</summary>
    public const string RamFileInUse = nameof(RamFileInUse);

    // Mapping (section 4).

    /// <summary>The process has no address range of that size left.</summary>
    public const string AddressSpaceExhausted = nameof(AddressSpaceExhausted);

    /// <summary>The host commits less memory than the mapping asks for.</summary>
    public const string NotEnoughMemory = nameof(NotEnoughMemory);

    /// <summary>Fewer huge pages are free than the mapping reserves.</summary>
    public const string NotEnoughHugePages = nameof(NotEnoughHugePages);

    /// <summary>The mapping failed for another reason, which the message names.</summary>
    public const string MapFailed = nameof(MapFailed);

    /// <summary>More blocks of guest RAM than one process can watch for pages that cannot be had.</summary>
    public const string TooManyMappings = nameof(TooManyMappings);

    /// <summary>A page of the backend's RAM could not be had when it was touched; see <see cref="PsVm.RamFault"/>.</summary>
    public const string RamFault = nameof(RamFault);

    /// <summary>The NUMA policy cannot be applied.</summary>
    public const string NumaBindFailed = nameof(NumaBindFailed);

    /// <summary>Not every page could be faulted in.</summary>
    public const string PreallocFailed = nameof(PreallocFailed);

    // Discarding (section 5).

    /// <summary>The backend's policy, or DenyPrivateDiscard, refuses discards.</summary>
    public const string DiscardDenied = nameof(DiscardDenied);

    /// <summary>Start or length of the range is no multiple of the backing page size.</summary>
    public const string DiscardRangeMisaligned = nameof(DiscardRangeMisaligned);

    /// <summary>The range is empty or not inside the block.</summary>
    public const string DiscardRangeOutside = nameof(DiscardRangeOutside);

    /// <summary>No further overlay is possible, and read-only memory cannot be changed in place.</summary>
    public const string OverlayLimitReached = nameof(OverlayLimitReached);

    /// <summary>The kernel refused the discard for the reason that the message names.</summary>
    public const string DiscardFailed = nameof(DiscardFailed);

    // Consumers (section 6).

    /// <summary>The consumer needs a shared mapping of a file or memfd.</summary>
    public const string ConsumerNeedsSharedFile = nameof(ConsumerNeedsSharedFile);

    /// <summary>The consumer needs memory that may be discarded.</summary>
    public const string ConsumerNeedsDiscard = nameof(ConsumerNeedsDiscard);

    /// <summary>The consumer needs a regular file with a name.</summary>
    public const string ConsumerNeedsNamedFile = nameof(ConsumerNeedsNamedFile);

    /// <summary>The file behind guest RAM cannot be read while a template is made of it.</summary>
    public const string CopyFailed = nameof(CopyFailed);

    // QEMU's words for backends (section 9).

    /// <summary>QEMU has no word for what an option asks for.</summary>
    public const string QemuCannotExpress = nameof(QemuCannotExpress);

    /// <summary>The version of QEMU is too old for what an option asks for.</summary>
    public const string QemuVersionTooOld = nameof(QemuVersionTooOld);

    /// <summary>The text is no version of QEMU.</summary>
    public const string QemuVersionInvalid = nameof(QemuVersionInvalid);

    /// <summary>QEMU takes no such id.</summary>
    public const string QemuIdInvalid = nameof(QemuIdInvalid);

    /// <summary>No memory backend is among QEMU's arguments.</summary>
    public const string QemuBackendMissing = nameof(QemuBackendMissing);

    /// <summary>QEMU has no memory backend of that name, or one that has no counterpart here.</summary>
    public const string QemuBackendUnknown = nameof(QemuBackendUnknown);

    /// <summary>QEMU's memory backend has no property of that name.</summary>
    public const string QemuPropertyUnknown = nameof(QemuPropertyUnknown);

    /// <summary>The property of QEMU's memory backend has no counterpart here.</summary>
    public const string QemuPropertyRefused = nameof(QemuPropertyRefused);

    /// <summary>A value is not what QEMU takes, or one that must be there is missing.</summary>
    public const string QemuValueInvalid = nameof(QemuValueInvalid);
}
