using System.Buffers.Binary;
using PsVm.Machine.State;

namespace PsVm.Machine.Devices.Disks;

/// <summary>What the file of an overlay begins with. Source: docs/overlay-format.md.</summary>
/// <param name="DiskSize">Bytes of the disk.</param>
/// <param name="Inode">Inode of the image.</param>
/// <param name="ModifiedNanoseconds">When the image was last written, in nanoseconds since 1970.</param>
/// <param name="IsCommitting">The blocks are being written into the image, or were when somebody was stopped.</param>
internal sealed record OverlayHeader(long DiskSize, ulong Inode, long ModifiedNanoseconds, bool IsCommitting)
{
    /// <summary>Bytes of the file that it has for itself.</summary>
    public const int Size = 4096;

    /// <summary>Blocks whose bits are on one page of the bitmap.</summary>
    public const int BlocksPerPage = 8 * Size;

    private const uint Version = 1;
    private const int Used = 48; // of which the last four bytes are the checksum
    private const uint Committing = 1;

    private static ReadOnlySpan<byte> Magic => "PsVmOver"u8;

    /// <summary>Number of the disk's blocks; the last one may be shorter.</summary>
    public long BlockCount => (DiskSize + IDiskOverlay.BlockSize - 1) / IDiskOverlay.BlockSize;

    /// <summary>Pages of the bitmap, which is right behind the header.</summary>
    public int BitmapPages => (int)((BlockCount + BlocksPerPage - 1) / BlocksPerPage);

    /// <summary>Where the blocks begin, each at its place in the disk.</summary>
    public long DataOffset => Size + ((long)BitmapPages * Size);

    /// <summary>Bytes of the whole file, most of which are holes.</summary>
    public long FileSize => DataOffset + DiskSize;

    /// <summary>As bytes.</summary>
    public byte[] ToBytes()
    {
        byte[] bytes = new byte[Size];
        Magic.CopyTo(bytes);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(8), Version);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(12), IDiskOverlay.BlockSize);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(16), DiskSize);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(24), Inode);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(32), ModifiedNanoseconds);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(40), IsCommitting ? Committing : 0);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(Used - 4), StateFile.Checksum(bytes.AsSpan(0, Used - 4)));
        return bytes;
    }

    /// <summary>Reads it.</summary>
    /// <param name="bytes">The first bytes of the file, <see cref="Size"/> of them.</param>
    /// <exception cref="InvalidDataException">They are none; the message says what is there instead.</exception>
    public static OverlayHeader Read(ReadOnlySpan<byte> bytes)
    {
        if (!bytes.StartsWith(Magic))
        {
            throw new InvalidDataException("a file of another kind");
        }

        uint version = BinaryPrimitives.ReadUInt32LittleEndian(bytes[8..]);
        if (version > Version)
        {
            throw new InvalidDataException($"format version {version}, which a newer PsVm has written");
        }

        if (BinaryPrimitives.ReadUInt32LittleEndian(bytes[(Used - 4)..]) != StateFile.Checksum(bytes[..(Used - 4)]))
        {
            throw new InvalidDataException("a header whose checksum is another");
        }

        OverlayHeader header = new(
            BinaryPrimitives.ReadInt64LittleEndian(bytes[16..]),
            BinaryPrimitives.ReadUInt64LittleEndian(bytes[24..]),
            BinaryPrimitives.ReadInt64LittleEndian(bytes[32..]),
            (BinaryPrimitives.ReadUInt32LittleEndian(bytes[40..]) & Committing) != 0);
        uint block = BinaryPrimitives.ReadUInt32LittleEndian(bytes[12..]);
        return version != 0 && block == IDiskOverlay.BlockSize && header.DiskSize is > 0 and <= MostDisk
            ? header
            : throw new InvalidDataException($"version {version}, blocks of {block} bytes and a disk of {header.DiskSize}");
    }

    // More than any file system's largest file; what is computed from it has room in its types.
    private const long MostDisk = 1L << 46;
}
