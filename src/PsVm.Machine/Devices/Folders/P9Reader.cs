using System.Buffers.Binary;

namespace PsVm.Machine.Devices.Folders;

/// <summary>Takes a request apart. What is not there reads as zero, and makes the request a bad one.</summary>
/// <param name="request">What is behind the header.</param>
internal ref struct P9Reader(ReadOnlySpan<byte> request)
{
    private ReadOnlySpan<byte> _rest = request;
    private bool _isBad;

    /// <summary>All was there, and nothing more.</summary>
    public readonly bool IsWhole => !_isBad && _rest.IsEmpty;

    public byte Byte() => Bytes(1) is [byte value] ? value : (byte)0;

    public ushort Short() => Bytes(2) is { Length: 2 } bytes ? BinaryPrimitives.ReadUInt16LittleEndian(bytes) : (ushort)0;

    public uint Int() => Bytes(4) is { Length: 4 } bytes ? BinaryPrimitives.ReadUInt32LittleEndian(bytes) : 0;

    public ulong Long() => Bytes(8) is { Length: 8 } bytes ? BinaryPrimitives.ReadUInt64LittleEndian(bytes) : 0;

    /// <summary>Bytes with their number before them.</summary>
    public ReadOnlySpan<byte> Text() => Bytes(Short());

    /// <summary>So many bytes.</summary>
    public ReadOnlySpan<byte> Bytes(uint count)
    {
        if (_isBad || count > _rest.Length)
        {
            _isBad = true;
            return [];
        }

        ReadOnlySpan<byte> bytes = _rest[..(int)count];
        _rest = _rest[(int)count..];
        return bytes;
    }
}
