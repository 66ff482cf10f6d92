namespace PsVm;

/// <summary>A guest's balloon, and what the guest said of its memory last. Sizes are bytes; what the guest says may be wrong.</summary>
public sealed record GuestBalloon
{
    /// <summary>Bytes of a page of a balloon, whatever pages the guest's kernel has (VIRTIO 1.2, section 5.5.6).</summary>
    public const int PageSize = 4096;

    /// <summary>The guest has a driver for it. Without one nothing comes of a target.</summary>
    public bool HasDriver { get; init; }

    /// <summary>RAM that is in the balloon: the guest does not use it.</summary>
    public long Size { get; init; }

    /// <summary>RAM that the guest is to have for itself.</summary>
    public long Target { get; init; }

    /// <summary>
    /// Memory that the host got back since the guest's last start or reset, by inflation and by reports of free pages, by the kernel's
    /// accounting. Pages that the guest uses again and gives back again count again.
    /// </summary>
    public long GivenBack { get; init; }

    /// <summary>
    /// Pages of <see cref="PageSize"/> that the guest named and that could not be given back: they are no writable RAM, or the kernel
    /// refused.
    /// </summary>
    public long Refused { get; init; }

    /// <summary>RAM that the guest's kernel has; null: not told, or more than there is.</summary>
    public long? Total { get; init; }

    /// <summary>RAM that nobody uses in the guest; null: not told, or more than there is.</summary>
    public long? Free { get; init; }

    /// <summary>RAM that the guest could use without swapping; null: not told, or more than there is.</summary>
    public long? Available { get; init; }

    /// <summary>RAM that the guest keeps files in; null: not told, or more than there is.</summary>
    public long? Caches { get; init; }

    /// <summary>Bytes that the guest swapped in; null: not told.</summary>
    public long? SwappedIn { get; init; }

    /// <summary>Bytes that the guest swapped out; null: not told.</summary>
    public long? SwappedOut { get; init; }

    /// <summary>Page faults of the guest's processes for which it read from a disk; null: not told.</summary>
    public long? MajorFaults { get; init; }

    /// <summary>All other page faults of the guest's processes; null: not told.</summary>
    public long? MinorFaults { get; init; }

    /// <summary>When the guest said so (UTC); null: it has not.</summary>
    public DateTimeOffset? ToldAt { get; init; }

    /// <summary>How much is in it.</summary>
    public override string ToString() => ByteSize.ToText(Size);
}
