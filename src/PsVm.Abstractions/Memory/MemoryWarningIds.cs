namespace PsVm;

/// <summary>The stable ids of every warning about a memory backend.</summary>
/// <remarks>Source: memory-backends rules, sections 2, 4 and 5.</remarks>
public static class MemoryWarningIds
{
    /// <summary>Auto chose ReadWrite, could not have it, and the file is open ReadOnly.</summary>
    public const string FellBackToReadOnly = nameof(FellBackToReadOnly);

    /// <summary>A private mapping of a tmpfs or memfd file: memory is paid twice.</summary>
    public const string PrivateMappingOfMemoryFile = nameof(PrivateMappingOfMemoryFile);

    /// <summary>A private mapping of a file that another live backend has mapped shared and writable.</summary>
    public const string PrivateMappingOfSharedFile = nameof(PrivateMappingOfSharedFile);

    /// <summary>A hole punched through a private mapping changes the file for every other user.</summary>
    public const string PunchHoleChangesFile = nameof(PunchHoleChangesFile);

    /// <summary>DenyPrivateDiscard overrides the discard policy that was asked for.</summary>
    public const string DiscardPolicyOverridden = nameof(DiscardPolicyOverridden);

    /// <summary>Prealloc read the pages in but copied none: the first store to each still copies it.</summary>
    public const string PreallocReadsOnly = nameof(PreallocReadsOnly);

    /// <summary>hugetlbfs mappings keep the kernel's reservation, whatever Reserve says.</summary>
    public const string ReservationKept = nameof(ReservationKept);

    /// <summary>Merge was asked for, and the kernel has no same-page merging.</summary>
    public const string MergeUnavailable = nameof(MergeUnavailable);

    /// <summary>Here a page of the file that cannot be had, as after a truncation, ends the process and not just the guest.</summary>
    public const string RamFaultsEndProcess = nameof(RamFaultsEndProcess);

    /// <summary>AllowSharedWriters: the file is mapped although somebody has a lock that forbids it.</summary>
    public const string SharedWriters = nameof(SharedWriters);

    /// <summary>The file system has no locks: nothing tells of others that write the file.</summary>
    public const string LocksUnavailable = nameof(LocksUnavailable);

    /// <summary>
    /// A checkpoint left a shared RAM file with blocks that are the template's, too, on a disk that has no room for others.
    /// </summary>
    public const string SharedBlocksNeedRoom = nameof(SharedBlocksNeedRoom);

    /// <summary>QEMU cannot boot what the guest boots: its arguments name no kernel.</summary>
    public const string QemuBootsNothing = nameof(QemuBootsNothing);

    /// <summary>The guest has devices that its arguments for QEMU do not name.</summary>
    public const string QemuDevicesLeftOut = nameof(QemuDevicesLeftOut);
}
