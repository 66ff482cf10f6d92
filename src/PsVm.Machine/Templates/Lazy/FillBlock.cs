using System.Diagnostics;
using Microsoft.Win32.SafeHandles;
using PsVm.Memory.Mapping;

namespace PsVm.Machine.Templates.Lazy;

/// <summary>A block of RAM that is being fetched: which chunks of its file are there. A chunk that is there stays.</summary>
/// <param name="file">The file, as large as the block, with holes where nothing is yet.</param>
/// <param name="size">Bytes.</param>
internal sealed class FillBlock(SafeFileHandle file, long size)
{
    /// <summary>Bytes of a chunk; the last one may have fewer.</summary>
    public const int ChunkSize = 1 << 16;

    private const byte Here = 0, Missing = 1, Wanted = 2;

    private readonly byte[] _states = new byte[(size + ChunkSize - 1) / ChunkSize];

    /// <summary>Bytes.</summary>
    public long Size => size;

    /// <summary>Chunks.</summary>
    public int Count => _states.Length;

    /// <summary>The file.</summary>
    public SafeFileHandle File => file;

    /// <summary>Notes that chunks with data have to be fetched.</summary>
    /// <param name="data">Ranges of data, in order.</param>
    /// <returns>Bytes of these chunks.</returns>
    public long Expect(IReadOnlyList<PageRange> data)
    {
        long bytes = 0;
        foreach (PageRange range in data)
        {
            for (int chunk = (int)(range.Offset / ChunkSize); chunk < ChunksOf(Math.Min(range.End, size)); chunk++)
            {
                bytes += _states[chunk] == Here ? LengthOf(chunk) : 0;
                _states[chunk] = Missing;
            }
        }

        return bytes;
    }

    /// <summary>Chunks that a number of bytes takes.</summary>
    public static int ChunksOf(long bytes) => (int)((bytes + ChunkSize - 1) / ChunkSize);

    /// <summary>Bytes of a chunk.</summary>
    public int LengthOf(int chunk) => (int)Math.Min(ChunkSize, size - ((long)chunk * ChunkSize));

    /// <summary>Whether a chunk is there.</summary>
    public bool IsHere(int chunk) => Volatile.Read(ref _states[chunk]) == Here;

    /// <summary>Whether chunks are there, one after the other.</summary>
    public bool AreHere(int first, int count)
    {
        for (int chunk = first; chunk < first + count; chunk++)
        {
            if (!IsHere(chunk))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Says that somebody waits for a chunk.</summary>
    /// <returns>True: it is not there, and nobody has said so before.</returns>
    public bool TryWant(int chunk) => Interlocked.CompareExchange(ref _states[chunk], Wanted, Missing) == Missing;

    /// <summary>Says that chunks are in the file.</summary>
    public void Arrived(int first, int count)
    {
        for (int chunk = first; chunk < first + count; chunk++)
        {
            Debug.Assert(_states[chunk] != Here, "what is there is not fetched");
            Volatile.Write(ref _states[chunk], Here);
        }
    }
}
