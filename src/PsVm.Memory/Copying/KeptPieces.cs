using System.Buffers;

namespace PsVm.Memory.Copying;

/// <summary>
/// Pieces of RAM that were set aside because somebody was about to write there, until they are in their files. Safe from any thread.
/// </summary>
/// <remarks>
/// Who sets aside never waits for a file. When there is more than <see cref="Most"/>, whoever writes the RAM is slowed down instead, and
/// what comes until it has heard of that is taken too.
/// </remarks>
/// <param name="slow">Slows down whoever writes the RAM, or no longer. Called under this object's lock.</param>
internal sealed class KeptPieces(Action<bool> slow)
{
    /// <summary>Bytes that may wait before writers are slowed down.</summary>
    public const long Most = 16 << 20;

    private readonly Lock _gate = new();
    private readonly Queue<KeptPiece> _waiting = new();
    private bool _isSlowed;
    private bool _isOver;

    /// <summary>Why nothing is set aside any more, if it is because of a failure.</summary>
    public Exception? Failure { get; private set; }

    /// <summary>Nothing is set aside any more.</summary>
    public bool IsOver => Volatile.Read(ref _isOver);

    /// <summary>Memory for a piece.</summary>
    public static byte[] Rent() => ArrayPool<byte>.Shared.Rent(BlockCopy.ChunkSize);

    /// <summary>Gives memory back.</summary>
    public static void Return(byte[] bytes) => ArrayPool<byte>.Shared.Return(bytes);

    /// <summary>Sets a piece aside.</summary>
    public void Add(KeptPiece piece)
    {
        lock (_gate)
        {
            if (_isOver)
            {
                Return(piece.Bytes);
                return;
            }

            _waiting.Enqueue(piece);
            if (!_isSlowed && _waiting.Count * (long)BlockCopy.ChunkSize > Most)
            {
                slow(_isSlowed = true);
            }
        }
    }

    /// <summary>Writes the pieces that wait.</summary>
    public void Write(CancellationToken cancellation)
    {
        while (Take() is { } piece)
        {
            try
            {
                cancellation.ThrowIfCancellationRequested();
                piece.Block.Write(piece);
            }
            finally
            {
                Return(piece.Bytes);
            }
        }
    }

    /// <summary>Ends it: who is about to write RAM need not wait any more.</summary>
    /// <param name="failure">Why; null: all is done, or nobody wants it.</param>
    public void End(Exception? failure)
    {
        lock (_gate)
        {
            if (_isOver)
            {
                return;
            }

            Failure = failure;
            Volatile.Write(ref _isOver, true);
            while (_waiting.TryDequeue(out KeptPiece piece))
            {
                Return(piece.Bytes);
            }

            slow(_isSlowed = false);
        }
    }

    private KeptPiece? Take()
    {
        lock (_gate)
        {
            if (_isSlowed && _waiting.Count * (long)BlockCopy.ChunkSize <= Most / 2)
            {
                slow(_isSlowed = false);
            }

            return _waiting.TryDequeue(out KeptPiece piece) ? piece : null;
        }
    }
}

/// <summary>A piece of RAM as it was.</summary>
/// <param name="Block">The block that it is of.</param>
/// <param name="Chunk">Number of the chunk.</param>
/// <param name="Pages">Which of its pages count, bit 0 for the first.</param>
/// <param name="Bytes">Its bytes.</param>
internal readonly record struct KeptPiece(BlockCopy Block, int Chunk, ushort Pages, byte[] Bytes);
