using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.InteropServices;
using PsVm.Memory.Native;

namespace PsVm.Machine.Devices.Networks;

/// <summary>
/// Tells when a descriptor that had nothing has something again. All descriptors of the process are waited for by one thread, which is
/// there while there are any. Safe from any thread.
/// </summary>
internal sealed class Readiness : IDisposable
{
    private static readonly Lock s_gate = new();
    private static WaitingThread? s_current; // the one that takes new descriptors

    private readonly Lock _gate = new();
    private readonly WaitingThread _thread;
    private readonly SafeHandle _handle;
    private readonly ulong _token;
    private readonly Action _ready;
    private bool _waitsToRead, _waitsToWrite, _isDisposed;

    /// <param name="handle">The descriptor, open until this is disposed.</param>
    /// <param name="ready">
    /// Called on the thread for all when what was waited for has happened, or the descriptor has failed; it is short. It may be running
    /// when <see cref="Dispose"/> returns.
    /// </param>
    /// <exception cref="IOException">The process has too many open files.</exception>
    public Readiness(SafeHandle handle, Action ready)
    {
        (_handle, _ready) = (handle, ready);
        lock (s_gate)
        {
            _thread = s_current ??= new WaitingThread();
            _token = _thread.Add(this);
        }

        try
        {
            _thread.Poll.Add(handle, _token);
        }
        catch (IOException)
        {
            Leave();
            throw;
        }
    }

    /// <summary>Waits for the descriptor, once; nothing when that is done already.</summary>
    /// <param name="reads">For something to be read.</param>
    /// <param name="writes">For room to write.</param>
    public void Arm(bool reads, bool writes)
    {
        lock (_gate)
        {
            if (_isDisposed || ((!reads || _waitsToRead) && (!writes || _waitsToWrite)))
            {
                return;
            }

            (_waitsToRead, _waitsToWrite) = (_waitsToRead || reads, _waitsToWrite || writes);
            _thread.Poll.Arm(_handle, _token, _waitsToRead, _waitsToWrite);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_gate)
        {
            if (_isDisposed)
            {
                return;
            }

            _isDisposed = true;
            _thread.Poll.Remove(_handle);
        }

        Leave();
    }

    private void Leave()
    {
        lock (s_gate)
        {
            if (_thread.Remove(_token))
            {
                s_current = null;
                _thread.End();
            }
        }
    }

    private void Happened()
    {
        lock (_gate)
        {
            if (_isDisposed)
            {
                return;
            }

            (_waitsToRead, _waitsToWrite) = (false, false);
        }

        _ready();
    }

    /// <summary>The thread, while there are descriptors.</summary>
    private sealed class WaitingThread : IDisposable
    {
        private const ulong WakeToken = 0;
        private const int MostAtOnce = 64;

        private readonly ConcurrentDictionary<ulong, Readiness> _all = new();
        private readonly EventDescriptor _wake = new();
        private ulong _lastToken = WakeToken;
        private volatile bool _isEnding;

        public WaitingThread()
        {
            Poll.Add(_wake.Handle, WakeToken);
            Poll.Arm(_wake.Handle, WakeToken, reads: true, writes: false);
            new Thread(Run) { IsBackground = true, Name = "PsVm networks" }.Start();
        }

        public EventPoll Poll { get; } = new();

        public ulong Add(Readiness one)
        {
            _all[++_lastToken] = one;
            return _lastToken;
        }

        /// <returns>It was the last.</returns>
        public bool Remove(ulong token) => _all.TryRemove(token, out _) && _all.IsEmpty;

        public void End()
        {
            _isEnding = true;
            _wake.Signal();
        }

        public void Dispose()
        {
            Poll.Dispose();
            _wake.Dispose();
        }

        private void Run()
        {
            Span<ulong> tokens = stackalloc ulong[MostAtOnce];
            while (!_isEnding)
            {
                int count = Poll.Wait(tokens);
                foreach (ulong token in tokens[..count])
                {
                    if (_all.TryGetValue(token, out Readiness? one))
                    {
                        Tell(one);
                    }
                }
            }

            Dispose();
        }

        // One adapter's failure is not that of all.
        private static void Tell(Readiness one)
        {
            try
            {
                one.Happened();
            }
            catch (Exception mistake)
            {
                Debug.Fail($"what is called when a descriptor is ready throws nothing, but: {mistake}");
            }
        }
    }
}
