using Microsoft.Win32.SafeHandles;
using PsVm.Memory.Mapping;

namespace PsVm.Memory.Copying;

/// <summary>
/// All RAM of a guest as it is at one moment, copied to files while the guest runs: who is about to write somewhere asks first, so that
/// what is there can be set aside. Safe from any thread.
/// </summary>
/// <remarks>
/// <para>Positions count bytes over all blocks in their order.</para>
/// <para>
/// Discards of all the backends are refused from before it is made until it is over (<see cref="MemoryBackend.KeepUnchanged"/>), and their
/// leases are held as long.
/// </para>
/// </remarks>
public sealed class LiveCopy : IDisposable
{
    private readonly IReadOnlyList<MemoryBackend> _backends;
    private readonly BlockCopy[] _blocks;
    private readonly long[] _starts;
    private readonly KeptPieces _kept;
    private readonly bool _ownOnly;
    private readonly long _total;
    private readonly IProgress<StepProgress>? _progress;
    private long _based;

    /// <summary>
    /// Gets ready, and copies what does not change: files of private mappings. The guest may run, and nobody needs to ask yet.
    /// </summary>
    /// <param name="backends">The blocks in address order.</param>
    /// <param name="targets">A new, empty file for each.</param>
    /// <param name="ownOnly">Only what is in no file, but in memory that only the mapping sees.</param>
    /// <param name="slow">
    /// Slows down whoever writes the RAM, as long as too much is set aside, or no longer. Called on any thread, also of who is about to
    /// write.
    /// </param>
    /// <param name="progress">Told how much is done.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="IOException">A target cannot be written.</exception>
    /// <exception cref="MemoryBackendException">A file cannot be read, or a page cannot be had.</exception>
    public LiveCopy(
        IReadOnlyList<MemoryBackend> backends,
        IReadOnlyList<SafeFileHandle> targets,
        bool ownOnly,
        Action<bool> slow,
        IProgress<StepProgress>? progress,
        CancellationToken cancellation)
    {
        _backends = backends;
        _ownOnly = ownOnly;
        _progress = progress;
        _kept = new KeptPieces(slow);
        _total = backends.Sum(backend => backend.Size * (!ownOnly && HasBase(backend) ? 2 : 1));
        _starts = new long[backends.Count + 1];
        _blocks = new BlockCopy[backends.Count];
        for (int i = 0; i < backends.Count; i++)
        {
            _starts[i + 1] = _starts[i] + backends[i].Size;
            _blocks[i] = backends[i].BeginCopy(targets[i], _kept, ownOnly, Advance, cancellation);
        }

        void Advance(long bytes)
        {
            _based += bytes;
            Report();
        }
    }

    /// <summary>Whether the page at a position must not be written before <see cref="Keep"/> was called for it.</summary>
    public bool IsWaiting(long position)
    {
        int block = BlockAt(position);
        return _blocks[block].IsWaiting(position - _starts[block]);
    }

    /// <summary>Somebody is about to write; returns when that may be. Does not throw: what goes wrong ends the copy.</summary>
    /// <param name="position">Where.</param>
    /// <param name="length">Bytes, in one block.</param>
    public void Keep(long position, long length)
    {
        int block = BlockAt(position);
        _blocks[block].Keep(position - _starts[block], length);
    }

    /// <summary>Copies the RAM as it was when everybody began to ask; returns when nobody needs to ask any more.</summary>
    /// <param name="cancellation">Gives up; nobody needs to ask any more, at once.</param>
    /// <exception cref="IOException">A target cannot be written.</exception>
    /// <exception cref="MemoryBackendException">A file cannot be read, or a page cannot be had.</exception>
    public void Run(CancellationToken cancellation)
    {
        using CancellationTokenRegistration end = cancellation.UnsafeRegister(_ => _kept.End(null), null);
        try
        {
            Whole(0, () =>
            {
                CopyAll(cancellation);
                Array.ForEach(_blocks, block => block.End());
                return true;
            });
            cancellation.ThrowIfCancellationRequested();
            if (_kept.Failure is { } failure)
            {
                throw failure is MemoryBackendException known
                    ? new MemoryBackendException(known.Error, known)
                    : new IOException($"{failure.GetType().Name}: {failure.Message}", failure);
            }
        }
        finally
        {
            _kept.End(null);
        }
    }

    /// <summary>Tells that all is done.</summary>
    public void ReportEnd() => _progress?.Report(new StepProgress(HostStep.Writing, _total, _total));

    /// <summary>Ranges of each block that were in no file, once it has run, if only they were copied; else null.</summary>
    public IReadOnlyList<IReadOnlyList<PageRange>>? Changes => _ownOnly ? [.. _blocks.Select(block => block.OwnRanges())] : null;

    /// <summary>
    /// What the files' disks have too little room for: blocks that a file shares with its copy are new ones for who writes there.
    /// </summary>
    public IReadOnlyList<BackendWarning> Warnings => [.. _backends.Zip(_blocks, Warning).OfType<BackendWarning>()];

    /// <summary>Ends it: nobody needs to ask any more.</summary>
    public void Dispose() => _kept.End(null);

    private static BackendWarning? Warning(MemoryBackend backend, BlockCopy block)
    {
        if (block.Reflinked == 0 || backend.FreeDiskBytes is not { } free || free >= block.Reflinked)
        {
            return null;
        }

        return new BackendWarning(
            MemoryWarningIds.SharedBlocksNeedRoom,
            $"Expected room for {ByteSize.ToText(block.Reflinked)} on the disk of RAM file '{backend.Outcome.Path}', which shares that "
            + "much with its copy "
            + $"and takes new blocks wherever its guest writes, found {ByteSize.ToText(free)}. Free space: a guest that finds none fails "
            + "(RamFault).");
    }

    private static bool HasBase(MemoryBackend backend) => backend is { File: not null, Options.Share: false };

    private void CopyAll(CancellationToken cancellation)
    {
        foreach (BlockCopy block in _blocks)
        {
            while (!_kept.IsOver && block.CopyNext(cancellation))
            {
                cancellation.ThrowIfCancellationRequested();
                Report();
                _kept.Write(cancellation);
            }
        }

        Array.ForEach(_blocks, block => block.AwaitAll());
        _kept.Write(cancellation);
    }

    /// <summary>Does something that counts only when every page of all blocks could be had.</summary>
    private bool Whole(int first, Func<bool> work) =>
        first == _backends.Count ? work() : _backends[first].Whole(() => Whole(first + 1, work));

    private void Report() => _progress?.Report(
        new StepProgress(HostStep.Writing, Math.Min(_total, _based + _blocks.Sum(block => block?.Position ?? 0)), _total));

    private int BlockAt(long position)
    {
        int block = 0;
        while (position >= _starts[block + 1])
        {
            block++;
        }

        return block;
    }
}
