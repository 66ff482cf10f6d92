using System.Buffers.Binary;

namespace PsVm.Machine.Devices.Virtio.Balloon;

/// <summary>What a driver says of its guest's memory: anything. Source: VIRTIO 1.2, section 5.5.6.3.</summary>
/// <param name="pages">Pages that were in the balloon then.</param>
internal sealed class BalloonStatistics(long pages)
{
    // A tag of 2 bytes and a value of 8. Drivers have about 16 of them.
    private const int EntrySize = 10, MostEntries = 64;

    private readonly ulong?[] _values = new ulong?[16];

    /// <summary>When they were told (UTC).</summary>
    public DateTimeOffset ToldAt { get; } = DateTimeOffset.UtcNow;

    /// <summary>Pages that were in the balloon when they were told.</summary>
    public long Pages => pages;

    /// <summary>Reads what a buffer says. Unknown tags are passed over, and of those that come twice the last counts.</summary>
    /// <param name="chain">The buffer.</param>
    /// <param name="pages">Pages that are in the balloon now.</param>
    public static BalloonStatistics Read(VirtioChain chain, long pages)
    {
        Span<byte> bytes = stackalloc byte[EntrySize * MostEntries];
        bytes = bytes[..chain.Read(0, bytes)];
        BalloonStatistics read = new(pages);
        for (; bytes.Length >= EntrySize; bytes = bytes[EntrySize..])
        {
            int tag = BinaryPrimitives.ReadUInt16LittleEndian(bytes);
            if (tag < read._values.Length)
            {
                read._values[tag] = BinaryPrimitives.ReadUInt64LittleEndian(bytes[2..]);
            }
        }

        return read;
    }

    /// <summary>A value by its tag; null: it was not told, or is beyond what can be.</summary>
    /// <param name="tag">The tag.</param>
    /// <param name="most">The most that can be.</param>
    public long? Get(BalloonTag tag, long most = long.MaxValue) =>
        _values[(int)tag] is { } value && value <= (ulong)most ? (long)value : null;
}

/// <summary>Tags of statistics; sizes are bytes.</summary>
internal enum BalloonTag
{
    SwappedIn = 0,
    SwappedOut = 1,
    MajorFaults = 2,
    MinorFaults = 3,
    Free = 4,
    Total = 5,
    Available = 6,
    Caches = 7,
}
