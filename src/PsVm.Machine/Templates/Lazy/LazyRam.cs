using PsVm.Machine.Board;
using PsVm.Memory;
using PsVm.Riscv.Memory;

namespace PsVm.Machine.Templates.Lazy;

/// <summary>
/// A guest's RAM on a copy that is being made: has harts that need what is not there wait, and wakes them. Safe from any thread.
/// </summary>
/// <remarks>When all is there the RAM knows of no source any more, and is that of any other clone.</remarks>
internal sealed class LazyRam : IPageSource, IFillWatcher, IDisposable
{
    private const int PageShift = 12;

    private readonly TemplateFill _fill;
    private readonly IDisposable _held;
    private readonly GuestRam _ram;
    private Action _wake = () => { };
    private Action<PsVmError> _fail = _ => { };
    private Action<GuestTemplate> _copied = _ => { };
    private bool _isAwaited;
    private volatile bool _isClosed;

    /// <summary>Has the RAM ask from now on; no hart has run on it.</summary>
    /// <param name="fill">The copy.</param>
    /// <param name="held">Lets the copy go.</param>
    /// <param name="ram">The RAM, of private mappings of the copy's files.</param>
    public LazyRam(TemplateFill fill, IDisposable held, GuestRam ram)
    {
        (_fill, _held, _ram) = (fill, held, ram);
        ram.Memory.Physical.FillFrom(this);
        fill.Watch(this);
    }

    /// <summary>How far the copy is.</summary>
    public GuestFill Info => _fill.Info;

    /// <summary>All of it is there, so that its files do not change any more.</summary>
    public bool IsWhole => _fill.IsWhole;

    /// <summary>Says who is told.</summary>
    /// <param name="wake">Pages have come that a hart waits for.</param>
    /// <param name="fail">Pages that a hart needs do not come.</param>
    /// <param name="copied">The copy is a template; it may be told twice, on any thread.</param>
    public void Tell(Action wake, Action<PsVmError> fail, Action<GuestTemplate> copied)
    {
        (_wake, _fail, _copied) = (wake, fail, copied);
        Interlocked.MemoryBarrier(); // else it could become one between the two, and nobody be told
        if (_fill is { Result: { } template, Info.State: GuestFillState.Complete })
        {
            copied(template);
        }
    }

    /// <summary>Returns when the copy is complete.</summary>
    /// <param name="progress">Told of bytes that have come.</param>
    /// <param name="check">Throws when there is nothing more to wait for; called again and again.</param>
    /// <param name="cancellation">Gives up waiting.</param>
    /// <exception cref="GuestException">The rest does not come.</exception>
    public void AwaitComplete(IProgress<StepProgress>? progress, Action check, CancellationToken cancellation)
    {
        const int patience = 50; // milliseconds
        while (!_fill.Settled.Wait(patience, cancellation))
        {
            check();
            GuestFill now = _fill.Info;
            progress?.Report(new StepProgress(HostStep.Filling, now.BytesFetched, now.Bytes));
        }

        if (!_fill.IsVerified && _fill.Failure is { } failure)
        {
            throw new GuestException(failure);
        }
    }

    /// <summary>The guest ends: whoever waits for pages waits no more.</summary>
    public void Close()
    {
        _isClosed = true;
        _fill.Look();
    }

    /// <inheritdoc/>
    public bool TryHave(long first, long count)
    {
        if (Ask(first, count))
        {
            return true;
        }

        // Asked again: it may have come before the mark that has whoever fetches it wake the harts.
        Volatile.Write(ref _isAwaited, true);
        Interlocked.MemoryBarrier();
        if (Ask(first, count))
        {
            return true;
        }

        if (_fill.Failure is { } failure)
        {
            _fail(failure);
        }

        return false;
    }

    /// <inheritdoc/>
    public bool Await(long first, long count)
    {
        if (!Ask(first, count))
        {
            _fill.WaitUntil(() => Ask(first, count) || _isClosed || _fill.Failure is not null);
        }

        return TryHave(first, count);
    }

    /// <inheritdoc/>
    void IFillWatcher.OnArrived()
    {
        if (Volatile.Read(ref _isAwaited) && Interlocked.Exchange(ref _isAwaited, false))
        {
            _wake();
        }
    }

    /// <inheritdoc/>
    void IFillWatcher.OnWhole()
    {
        _ram.NoteFiles();
        _ram.Memory.Physical.FillFrom(null);
    }

    /// <inheritdoc/>
    void IFillWatcher.OnComplete()
    {
        if (_fill.Result is { } template)
        {
            _ram.Base = template;
            _copied(template);
        }
    }

    /// <inheritdoc/>
    void IFillWatcher.OnFailed(PsVmError failure, bool isWrong)
    {
        if (isWrong || (!IsWhole && Volatile.Read(ref _isAwaited)))
        {
            _fail(failure);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Close();
        _fill.Forget(this);
        _held.Dispose();
    }

    private bool Ask(long first, long count)
    {
        bool has = true;
        long start = first << PageShift, end = (first + count) << PageShift, block = 0;
        for (int i = 0; i < _ram.Backends.Count; i++)
        {
            MemoryBackend backend = _ram.Backends[i];
            long from = Math.Max(start - block, 0), to = Math.Min(end - block, backend.Size);
            if (from < to)
            {
                has &= _fill.TryHave(i, from, to - from);
            }

            block += backend.Size;
        }

        return has;
    }
}
