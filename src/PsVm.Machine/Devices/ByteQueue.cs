namespace PsVm.Machine.Devices;

/// <summary>Bytes on their way, at most as many as it has room for. Not safe from several threads at once.</summary>
/// <param name="capacity">Its room, of which memory is taken as it is needed, and given back once it is empty.</param>
internal sealed class ByteQueue(int capacity)
{
    private const int Kept = 4096;

    private byte[] _bytes = [];
    private int _start;

    /// <summary>Bytes that are in it.</summary>
    public int Count { get; private set; }

    /// <summary>Bytes that there is room for.</summary>
    public int Free => capacity - Count;

    /// <summary>Adds bytes.</summary>
    /// <returns>How many there was room for.</returns>
    public int Write(ReadOnlySpan<byte> bytes)
    {
        int count = Math.Min(bytes.Length, Free);
        if (count > _bytes.Length - Count)
        {
            Grow(Count + count);
        }

        for (int done = 0; done < count;)
        {
            int end = (_start + Count) % _bytes.Length;
            int piece = Math.Min(count - done, _bytes.Length - end);
            bytes.Slice(done, piece).CopyTo(_bytes.AsSpan(end));
            (Count, done) = (Count + piece, done + piece);
        }

        return count;
    }

    /// <summary>Takes the first bytes.</summary>
    /// <returns>How many there were.</returns>
    public int Read(Span<byte> to)
    {
        int count = Math.Min(to.Length, Count);
        for (int done = 0; done < count;)
        {
            int piece = Math.Min(count - done, _bytes.Length - _start);
            _bytes.AsSpan(_start, piece).CopyTo(to[done..]);
            (_start, Count, done) = ((_start + piece) % _bytes.Length, Count - piece, done + piece);
        }

        if (Count == 0)
        {
            Clear();
        }

        return count;
    }

    /// <summary>Drops all of them.</summary>
    public void Clear()
    {
        (_start, Count) = (0, 0);
        _bytes = _bytes.Length > Kept ? [] : _bytes;
    }

    private void Grow(int needed)
    {
        byte[] larger = new byte[Math.Min(capacity, Math.Max(needed, Math.Max(Kept, _bytes.Length * 2)))];
        int count = Count;
        for (int done = 0; done < count;)
        {
            int piece = Math.Min(count - done, _bytes.Length - ((_start + done) % _bytes.Length));
            _bytes.AsSpan((_start + done) % _bytes.Length, piece).CopyTo(larger.AsSpan(done));
            done += piece;
        }

        (_bytes, _start) = (larger, 0);
    }
}
