using System.Buffers.Binary;

namespace PsVm.Machine.Devices.Folders;

/// <summary>Puts an answer together. What has no room makes it no answer.</summary>
/// <param name="answer">Takes the answer, its header too.</param>
internal ref struct P9Writer(Span<byte> answer)
{
    private readonly Span<byte> _answer = answer;

    /// <summary>Bytes that there are, the header's among them.</summary>
    public int Length { get; private set; } = P9.HeaderSize;

    /// <summary>Something had no room.</summary>
    public bool IsFull { get; private set; }

    /// <summary>What there is room for.</summary>
    public readonly Span<byte> Rest => _answer[Length..];

    public void Byte(byte value)
    {
        if (Take(1) is { Length: 1 } to)
        {
            to[0] = value;
        }
    }

    public void Short(ushort value)
    {
        if (Take(2) is { Length: 2 } to)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(to, value);
        }
    }

    public void Int(uint value)
    {
        if (Take(4) is { Length: 4 } to)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(to, value);
        }
    }

    public void Long(ulong value)
    {
        if (Take(8) is { Length: 8 } to)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(to, value);
        }
    }

    public void Time(long seconds, long nanoseconds)
    {
        Long((ulong)seconds);
        Long((ulong)nanoseconds);
    }

    /// <summary>Bytes with their number before them.</summary>
    public void Text(scoped ReadOnlySpan<byte> text)
    {
        Short((ushort)text.Length);
        if (Take(text.Length) is { } to && to.Length == text.Length)
        {
            text.CopyTo(to);
        }
    }

    public void Qid(Qid qid)
    {
        Byte(qid.Type);
        Int(qid.Version);
        Long(qid.Path);
    }

    /// <summary>Room for so many bytes, which are the caller's to fill; none: there is not.</summary>
    public Span<byte> Take(int count)
    {
        if (count > _answer.Length - Length)
        {
            IsFull = true;
            return [];
        }

        Span<byte> taken = _answer.Slice(Length, count);
        Length += count;
        return taken;
    }

    /// <summary>Writes the header of an answer.</summary>
    /// <returns>Its bytes.</returns>
    public readonly int Finish(byte kind, ushort tag)
    {
        BinaryPrimitives.WriteInt32LittleEndian(_answer, Length);
        _answer[4] = kind;
        BinaryPrimitives.WriteUInt16LittleEndian(_answer[5..], tag);
        return Length;
    }

    /// <summary>Writes an error in place of an answer.</summary>
    /// <returns>Its bytes.</returns>
    public int Fail(int error, ushort tag)
    {
        Length = P9.HeaderSize;
        Int((uint)error);
        return Finish((byte)P9Request.ErrorAnswer, tag);
    }
}

/// <summary>What a guest tells objects apart by.</summary>
/// <param name="Type">Folder, link or file.</param>
/// <param name="Version">Another one when the object was changed.</param>
/// <param name="Path">Which object it is.</param>
internal readonly record struct Qid(byte Type, uint Version, ulong Path);
