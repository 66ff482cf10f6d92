using System.Buffers;
using System.Buffers.Binary;
using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;
using PsVm.Memory.Mapping;

namespace PsVm.Memory.Copying;

/// <summary>
/// What the content of a RAM file is known by, wherever the file is: a SHA-256 over its length and the SHA-256 of each of its chunks that
/// is not all zeros. It depends on the content alone, not on where the file has holes, and holes are not read.
/// </summary>
/// <remarks>Source: docs/template-format.md, "Digests".</remarks>
public static class RamDigest
{
    /// <summary>Bytes of a chunk; the last one may have fewer.</summary>
    public const int ChunkSize = 1 << 16;

    // Read at once.
    private const int BatchSize = 16 * ChunkSize;

    // What the sum has of a chunk: where it begins, and its SHA-256.
    private const int EntrySize = sizeof(long) + SHA256.HashSizeInBytes;

    /// <summary>The digest of an open file, lower-case hexadecimal. Reads what is no hole, on several threads.</summary>
    /// <param name="file">The file.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="IOException">It cannot be read, or becomes shorter meanwhile.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static string Of(SafeFileHandle file, CancellationToken cancellation = default) => Of(file, hashed: null, cancellation);

    /// <inheritdoc cref="Of(SafeFileHandle, CancellationToken)"/>
    /// <param name="file">The file.</param>
    /// <param name="hashed">Told now and then how many bytes have been read, by any thread; holes are none.</param>
    /// <param name="cancellation">Gives up.</param>
    public static string Of(SafeFileHandle file, Action<long>? hashed, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(file);
        return Of(file, 0, RandomAccess.GetLength(file), hashed, cancellation);
    }

    /// <summary>The digest of a part of an open file, as of a file that has nothing else.</summary>
    /// <param name="file">The file.</param>
    /// <param name="offset">Where the part begins, in bytes.</param>
    /// <param name="length">Bytes of the part.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="IOException">It cannot be read, or is shorter.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static string Of(SafeFileHandle file, long offset, long length, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(file);
        return Of(file, offset, length, hashed: null, cancellation);
    }

    private static string Of(SafeFileHandle file, long offset, long length, Action<long>? hashed, CancellationToken cancellation)
    {
        (long Start, long End)[] batches = [.. Batches(file, offset, length)];
        byte[][] entries = new byte[batches.Length][];
        ParallelOptions options = new() { CancellationToken = cancellation, MaxDegreeOfParallelism = Environment.ProcessorCount };
        long read = 0;
        try
        {
            Parallel.For(0, batches.Length, options, i =>
            {
                (long start, long end) = batches[i];
                entries[i] = Hash(file, offset, start, end);
                hashed?.Invoke(Interlocked.Add(ref read, end - start));
            });
        }
        catch (AggregateException several) when (several.InnerExceptions[0] is IOException or UnauthorizedAccessException)
        {
            throw new IOException(several.InnerExceptions[0].Message, several.InnerExceptions[0]);
        }

        using IncrementalHash sum = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Span<byte> size = stackalloc byte[sizeof(long)];
        BinaryPrimitives.WriteInt64LittleEndian(size, length);
        sum.AppendData(size);
        Array.ForEach(entries, sum.AppendData);
        return Convert.ToHexStringLower(sum.GetHashAndReset());
    }

    /// <summary>The data of a part in whole chunks, as ranges from its beginning that are read at once, in order.</summary>
    private static IEnumerable<(long Start, long End)> Batches(SafeFileHandle file, long offset, long length)
    {
        long done = 0;
        foreach (PageRange found in SparseFile.Data(file, offset, offset + length))
        {
            PageRange data = found with { Offset = found.Offset - offset };

            // Two stretches of data may lie in one chunk.
            long end = Math.Min((data.End + ChunkSize - 1) & -ChunkSize, length);
            for (long start = Math.Max(done, data.Offset & -ChunkSize); start < end; start = done)
            {
                done = Math.Min(start + BatchSize, end);
                yield return (start, done);
            }
        }
    }

    private static byte[] Hash(SafeFileHandle file, long offset, long first, long end)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent((int)(end - first));
        try
        {
            Span<byte> bytes = buffer.AsSpan(0, (int)(end - first));
            SparseFile.ReadExactly(file, bytes, offset + first);
            Span<byte> entries = stackalloc byte[BatchSize / ChunkSize * EntrySize];
            int used = 0;
            for (int start = 0; start < bytes.Length; start += ChunkSize)
            {
                // A chunk of zeros is left out, as one that lies in a hole and is never looked at.
                ReadOnlySpan<byte> chunk = bytes.Slice(start, Math.Min(ChunkSize, bytes.Length - start));
                if (chunk.ContainsAnyExcept((byte)0))
                {
                    BinaryPrimitives.WriteInt64LittleEndian(entries[used..], first + start);
                    SHA256.HashData(chunk, entries[(used + sizeof(long))..]);
                    used += EntrySize;
                }
            }

            return entries[..used].ToArray();
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
