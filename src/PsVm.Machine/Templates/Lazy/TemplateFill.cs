using System.Collections.Concurrent;
using Microsoft.Win32.SafeHandles;
using PsVm.Machine.Templates.Travel;
using PsVm.Memory;
using PsVm.Memory.Copying;
using PsVm.Memory.Mapping;

namespace PsVm.Machine.Templates.Lazy;

/// <summary>
/// A copy of a template that guests run on while it is made: its RAM files have their size from the start, and one thread fetches what they
/// are to hold, first what somebody waits for. Safe from any thread.
/// </summary>
/// <remarks>
/// Guests map the files privately and ask (<see cref="LazyRam"/>) before they look at a page. So what they write and discard is theirs
/// alone and is never fetched over, and what is fetched is there once for all of them. A source that does not answer keeps the thread that
/// fetches and nobody else; it is left behind when the copy is given up.
/// </remarks>
internal sealed class TemplateFill : IDisposable
{
    private readonly ILazySource _source;
    private readonly string _name;
    private readonly Thread _thread;
    private readonly TemplateFolder _folder;
    private readonly TemplateWriter? _writer;
    private readonly WorkingSet? _first;
    private readonly Action<TemplateFill> _ended;
    private readonly List<FillBlock> _blocks = [];
    private readonly IReadOnlyList<TemplatePart> _parts; // of the source
    private readonly IReadOnlyList<TemplatePart> _files; // the same of the copy
    private readonly IReadOnlyList<TemplateRamBlock> _ram;
    private readonly ConcurrentQueue<FillRun> _wanted = [];
    private readonly CancellationTokenSource _stop = new();
    private readonly TaskCompletionSource _settled = new(TaskCreationOptions.RunContinuationsAsynchronously);

    // Whoever writes to the folder, or removes it.
    private readonly Lock _writing = new();

    // Who is told of what, and whoever waits for pages.
    private readonly object _gate = new();
    private IFillWatcher[] _watchers = [];
    private int _waiting;
    private bool _isDisposed;

    private volatile GuestFillState _state;
    private volatile PsVmError? _failure;
    private volatile GuestTemplate? _result;
    private volatile bool _isWhole;
    private volatile bool _isVerified;
    private long _fetched;

    /// <summary>Makes the files of the copy; <see cref="Begin"/> has them filled.</summary>
    /// <param name="source">What is copied; it is the copy's from now on.</param>
    /// <param name="destination">Full path of the template that the copy becomes; null: it goes when it is disposed.</param>
    /// <param name="temporary">Where it is written to without a destination.</param>
    /// <param name="calls">The kernel.</param>
    /// <param name="ended">Told when it has ended, well or not.</param>
    /// <exception cref="GuestException">The files cannot be made; nothing is left.</exception>
    public TemplateFill(ILazySource source, string? destination, string temporary, FolderCalls calls, Action<TemplateFill> ended)
    {
        _source = source;
        (_name, Template) = (source.Name, source.Template);

        // A thread of its own: the source may keep it for as long as it likes.
        _thread = new Thread(Run) { Name = "PsVm template fill", IsBackground = true };
        _ended = ended;
        Destination = destination;
        string path = destination ?? temporary;
        TemplateFolder? folder = null;
        try
        {
            folder = _folder = new TemplateFolder(path, replace: false, source.Mode, calls);
            TemplatePlace.CheckFileSystem(folder.Path, path, calls);
            _parts = [.. TemplatePart.Of(source.Template).Where(part => !part.IsDisk || destination is not null)];
            _files = [.. _parts.Select(MakeFile)];
            _ram = [.. source.Template.RamBlocks.Zip(_files, (block, file) => block with
            {
                File = file.File, InTemplate = true, Offset = 0, Identity = file.Identity,
            })];
            TemplatePlace.CheckRoom(folder.Path, Bytes);
            _writer = destination is null ? null : new TemplateWriter(folder, destination);
            _writer?.WriteState(source.State);
        }
        catch (Exception failure)
        {
            folder?.Dispose();
            source.Dispose();
            if (failure is IOException or UnauthorizedAccessException)
            {
                throw TemplateErrors.Unwritable(path, failure);
            }

            throw;
        }

        _first = WorkingSet.Of(source.Template);
    }

    /// <summary>The template that is copied.</summary>
    public GuestTemplate Template { get; }

    /// <summary>Full path of the template that the copy becomes; null: it goes when it is disposed.</summary>
    public string? Destination { get; }

    /// <summary>The blocks of RAM, with the files of the copy where they are now.</summary>
    public IReadOnlyList<TemplateRamBlock> Blocks => _result?.RamBlocks ?? _ram;

    /// <summary>Bytes that the source has.</summary>
    public long Bytes { get; private set; }

    /// <summary>All is in the files.</summary>
    public bool IsWhole => _isWhole;

    /// <summary>The template that the copy has become; null: none, or not yet.</summary>
    public GuestTemplate? Result => _result;

    /// <summary>Why the rest does not come, or the copy is no template.</summary>
    public PsVmError? Failure => _failure;

    /// <summary>What is in the files is what was recorded.</summary>
    public bool IsVerified => _isVerified;

    /// <summary>Completes when it is complete, or has failed.</summary>
    public Task Settled => _settled.Task;

    /// <summary>How far it is.</summary>
    public GuestFill Info => new()
    {
        Source = _name,
        Destination = Destination,
        State = _state,
        Bytes = Bytes,
        BytesFetched = Volatile.Read(ref _fetched),
        Failure = _failure,
    };

    /// <summary>Begins to fetch.</summary>
    public void Begin() => _thread.UnsafeStart();

    /// <summary>Waits until nothing is fetched any more, and the source is closed, unless that takes its time.</summary>
    public void AwaitEnd(TimeSpan patience) => _thread.Join(patience);

    /// <summary>Tells somebody of what happens from now on; of what has happened, at once.</summary>
    public void Watch(IFillWatcher watcher)
    {
        lock (_gate)
        {
            _watchers = [.. _watchers, watcher];
            if (_isWhole)
            {
                watcher.OnWhole();
            }

            if (_state == GuestFillState.Complete)
            {
                watcher.OnComplete();
            }
        }
    }

    /// <summary>Tells somebody of nothing any more.</summary>
    public void Forget(IFillWatcher watcher)
    {
        lock (_gate)
        {
            _watchers = [.. _watchers.Where(other => other != watcher)];
        }
    }

    /// <summary>Whether a part of a block is there; what is not is fetched before all that nobody waits for.</summary>
    public bool TryHave(int block, long offset, long length)
    {
        bool has = true;
        FillBlock chunks = _blocks[block];
        for (int chunk = (int)(offset / FillBlock.ChunkSize); chunk < FillBlock.ChunksOf(offset + length); chunk++)
        {
            if (!chunks.IsHere(chunk))
            {
                has = false;
                if (chunks.TryWant(chunk))
                {
                    _wanted.Enqueue(new FillRun(block, chunk, 1));
                }
            }
        }

        return has;
    }

    /// <summary>Returns when a condition holds, which is looked at whenever something has come, or <see cref="Look"/> is called.</summary>
    public void WaitUntil(Func<bool> condition)
    {
        lock (_gate)
        {
            _waiting++;
            while (!condition())
            {
                Monitor.Wait(_gate);
            }

            _waiting--;
        }
    }

    /// <summary>Has whoever waits look again.</summary>
    public void Look()
    {
        lock (_gate)
        {
            Monitor.PulseAll(_gate);
        }
    }

    /// <summary>Gives it up, where it is not a template yet. It does not wait for the source.</summary>
    public void Dispose()
    {
        _stop.Cancel();
        lock (_writing)
        {
            if (_isDisposed)
            {
                return;
            }

            _isDisposed = true;
            _folder.Dispose();
        }

        if (!_settled.Task.IsCompleted)
        {
            Fail(new PsVmError(
                GuestErrorIds.LazySourceFailed, $"Expected all of template '{_name}' to be copied, found that it was given up.")
            {
                Target = _name,
            });
        }
    }

    private TemplatePart MakeFile(TemplatePart part)
    {
        int index = _blocks.Count;
        SafeFileHandle file = _folder.CreateFile(part.Name);
        RandomAccess.SetLength(file, part.Size);
        FillBlock chunks = new(file, part.Size);
        _blocks.Add(chunks);
        Bytes += chunks.Expect(_source.Data(index));
        return part with
        {
            File = Path.Combine(_folder.Path, part.Name),
            InTemplate = true,
            Offset = 0,
            Identity = MemoryBackends.Identify(file) ?? throw new IOException($"'{part.Name}' cannot be looked at"),
        };
    }

    private void Run()
    {
        try
        {
            byte[] buffer = GC.AllocateUninitializedArray<byte>(FillBlock.ChunkSize * FillOrder.MostChunks);
            FillOrder order = new(_blocks, _first);
            while (true)
            {
                while (_wanted.TryDequeue(out FillRun wanted))
                {
                    Fetch(wanted, buffer);
                    order.NoteWanted(wanted);
                }

                if (order.Next() is not { } run)
                {
                    break;
                }

                Fetch(run, buffer);
            }

            _source.Dispose();
            Tell(watcher => watcher.OnWhole(), () => _isWhole = true);
            Finish();
        }
        catch (Exception failure)
        {
            Fail(failure is PsVmException known ? known.Error : ToError(failure));
        }
        finally
        {
            _source.Dispose();
            if (!Volatile.Read(ref _isDisposed))
            {
                _ended(this);
            }
        }
    }

    /// <summary>Fetches what of some chunks is not there.</summary>
    private void Fetch(FillRun run, byte[] buffer)
    {
        FillBlock chunks = _blocks[run.Block];
        for (int chunk = run.First; chunk < run.First + run.Count;)
        {
            int count = 0, length = 0;
            while (chunk + count < run.First + run.Count && !chunks.IsHere(chunk + count))
            {
                length += chunks.LengthOf(chunk + count++);
            }

            if (count > 0)
            {
                long offset = (long)chunk * FillBlock.ChunkSize;
                Read(run.Block, offset, buffer.AsSpan(0, length));
                Write(run.Block, offset, buffer.AsSpan(0, length));
                chunks.Arrived(chunk, count);
                Interlocked.Add(ref _fetched, length);
                Tell(watcher => watcher.OnArrived(), () => { });
            }

            chunk += Math.Max(count, 1);
        }
    }

    private void Read(int block, long offset, Span<byte> into)
    {
        string file = _parts[block].File;
        try
        {
            for (int done = 0; done < into.Length;)
            {
                _stop.Token.ThrowIfCancellationRequested();
                int read = _source.Read(block, offset + done, into[done..]);
                done += read > 0 ? read : throw new EndOfStreamException($"it ends at {offset + done} of {_parts[block].Size} bytes");
            }
        }
        catch (Exception failure) when (failure is not OperationCanceledException)
        {
            throw new GuestException(
                GuestErrorIds.LazySourceFailed,
                $"Expected {into.Length} bytes at {offset} in '{file}', which guests that were started lazily are copied from, found: "
                    + $"{failure.Message}",
                file,
                "Mend the file, or what it is on, and start the guests again.",
                failure);
        }
    }

    private void Write(int block, long offset, ReadOnlySpan<byte> bytes)
    {
        try
        {
            lock (_writing)
            {
                _stop.Token.ThrowIfCancellationRequested();
                SparseFile.WriteNonZero(_blocks[block].File, bytes, offset, punch: false);
            }
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw TemplateErrors.Unwritable(_files[block].File, failure);
        }
    }

    /// <summary>Compares what has come with what was recorded, and makes it a template where it is to be one.</summary>
    private void Finish()
    {
        lock (_writing)
        {
            _stop.Token.ThrowIfCancellationRequested();
            _state = GuestFillState.Verifying;
            for (int i = 0; i < _blocks.Count; i++)
            {
                RamFileCheck.CheckContent(_files[i], _parts[i].File, _blocks[i].File, verify: true, _stop.Token);
            }

            _isVerified = true;

            if (_writer is not null)
            {
                try
                {
                    GuestTemplate written = _writer.Finish(Template, [.. _blocks.Select(block => block.File)], _ => true, _stop.Token);
                    _result = _folder.Commit(replace: false) ? written
                        : GuestTemplates.Read(Destination!) is { } other && other.Id == written.Id ? other
                        : throw TemplatePlace.InUse(Destination!, "something that came there meanwhile");
                }
                catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
                {
                    throw TemplateErrors.Unwritable(Destination!, failure);
                }
            }
        }

        Tell(watcher => watcher.OnComplete(), () => _state = GuestFillState.Complete);
        _settled.TrySetResult();
    }

    private void Fail(PsVmError failure)
    {
        // What guests run on is whole and right where it only could not become a template.
        bool isWrong = _isWhole && !_isVerified;
        Tell(
            watcher => watcher.OnFailed(failure, isWrong),
            () =>
            {
                _failure ??= failure;
                _state = GuestFillState.Failed;
            });
        _settled.TrySetResult();
    }

    /// <summary>Changes something and tells of it, also whoever waits.</summary>
    private void Tell(Action<IFillWatcher> tell, Action change)
    {
        IFillWatcher[] watchers;
        lock (_gate)
        {
            change();
            watchers = _watchers;
            if (_waiting > 0)
            {
                Monitor.PulseAll(_gate);
            }
        }

        Array.ForEach(watchers, tell);
    }

    private PsVmError ToError(Exception failure) =>
        new(GuestErrorIds.LazySourceFailed, $"Expected to copy template '{_name}', found {failure.GetType().Name}: {failure.Message}")
        {
            Target = _name,
        };
}
