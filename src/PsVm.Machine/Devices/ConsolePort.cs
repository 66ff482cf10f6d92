namespace PsVm.Machine.Devices;

/// <summary>
/// The host's end of a named port of a guest's console device: bytes both ways, bounded. A guest that writes what nobody takes waits; a
/// host that writes what the guest does not take is told how much there was room for. Safe from any thread.
/// </summary>
/// <remarks>
/// A session is the time from when a program of the guest opens its end to when it closes it, or its driver goes; what was on its way then
/// is dropped, both ways. A template holds no byte that is on its way: those from the guest are the checkpointed guest's, those to it have
/// not arrived.
/// </remarks>
/// <param name="name">What the guest knows it by.</param>
/// <param name="keepsOutput">
/// What the guest wrote before it closed its end stays: who reads has not asked for it, and may come later.
/// </param>
internal sealed class ConsolePort(string name, bool keepsOutput = false)
{
    /// <summary>Most bytes that wait for the guest.</summary>
    public const int MostInput = 64 << 10;

    /// <summary>Most bytes of a buffer that the guest gives; a driver that gives more at once has made a mistake.</summary>
    public const int MostBuffer = 256 << 10;

    private readonly Lock _gate = new();
    private readonly ByteQueue _input = new(MostInput);
    private readonly ByteQueue _output = new(2 * MostBuffer);
    private TaskCompletionSource? _changed;
    private bool _isOpen;
    private bool _isClosed;

    /// <summary>What the guest knows it by.</summary>
    public string Name => name;

    /// <summary>A program of the guest has it open.</summary>
    public bool IsOpen
    {
        get
        {
            lock (_gate)
            {
                return _isOpen;
            }
        }
    }

    /// <summary>
    /// How often the guest has opened it; what was read or written under another number belongs to a session that is over.
    /// </summary>
    public int Session { get; private set; }

    /// <summary>Called when a program of the guest opens it, under locks: what is long is done elsewhere.</summary>
    public Action? Opened { get; set; }

    /// <summary>Called when there is room for output again, or input, so that the device looks at its queues; under no lock.</summary>
    public Action? Moved { get; set; }

    /// <summary>Whether the device may take another buffer of the guest's.</summary>
    public bool TakesOutput
    {
        get
        {
            lock (_gate)
            {
                return _output.Free >= MostBuffer || !_isOpen;
            }
        }
    }

    /// <summary>Whether there is something that the guest wrote.</summary>
    public bool HasOutput
    {
        get
        {
            lock (_gate)
            {
                return _output.Count > 0;
            }
        }
    }

    /// <summary>Whether there is something for the guest to read.</summary>
    public bool HasInput
    {
        get
        {
            lock (_gate)
            {
                return _input.Count > 0;
            }
        }
    }

    /// <summary>Takes what the guest wrote.</summary>
    /// <returns>How many bytes there were; 0: none, for now.</returns>
    public int Read(Span<byte> to)
    {
        int count;
        lock (_gate)
        {
            count = _output.Read(to);
        }

        if (count > 0)
        {
            Moved?.Invoke();
        }

        return count;
    }

    /// <summary>Has the guest read bytes.</summary>
    /// <returns>How many there was room for; 0 also where no program of the guest has it open.</returns>
    public int Write(ReadOnlySpan<byte> bytes)
    {
        int count;
        lock (_gate)
        {
            count = _isOpen ? _input.Write(bytes) : 0;
        }

        if (count > 0)
        {
            Moved?.Invoke();
        }

        return count;
    }

    /// <summary>A task that ends when something changes from now on: bytes come, room comes, a program opens or closes it.</summary>
    /// <remarks>Whoever waits takes it first and looks then, so that nothing is missed.</remarks>
    public Task Changed
    {
        get
        {
            lock (_gate)
            {
                return _isClosed
                    ? Task.CompletedTask
                    : (_changed ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
            }
        }
    }

    /// <summary>Its board is gone; nothing comes any more.</summary>
    public bool IsClosed
    {
        get
        {
            lock (_gate)
            {
                return _isClosed;
            }
        }
    }

    /// <summary>The device gives what the guest wrote; there is room for it.</summary>
    public void Put(ReadOnlySpan<byte> bytes)
    {
        TaskCompletionSource? changed = null;
        lock (_gate)
        {
            if (_isOpen)
            {
                _output.Write(bytes);
                changed = TakeChanged();
            }
        }

        Tell(changed);
    }

    /// <summary>The device takes what the guest is to read.</summary>
    public int Take(Span<byte> to)
    {
        int count;
        TaskCompletionSource? changed;
        lock (_gate)
        {
            count = _input.Read(to);
            changed = count > 0 ? TakeChanged() : null;
        }

        Tell(changed);
        return count;
    }

    /// <summary>A program of the guest opens or closes it, or its driver goes.</summary>
    public void SetOpen(bool isOpen)
    {
        TaskCompletionSource? changed = null;
        lock (_gate)
        {
            if (_isOpen != isOpen)
            {
                _isOpen = isOpen && !_isClosed;
                Session += isOpen ? 1 : 0;
                _input.Clear();
                if (!keepsOutput)
                {
                    _output.Clear();
                }

                changed = TakeChanged();
                if (_isOpen)
                {
                    Opened?.Invoke();
                }
            }
        }

        Tell(changed);
    }

    /// <summary>Nothing comes or goes any more.</summary>
    public void Close()
    {
        TaskCompletionSource? changed;
        lock (_gate)
        {
            (_isOpen, _isClosed) = (false, true);
            _input.Clear();
            _output.Clear();
            changed = TakeChanged();
        }

        Tell(changed);
    }

    // Whoever hears of it comes for the gate at once.
    private static void Tell(TaskCompletionSource? changed)
    {
        if (changed is not null)
        {
            Wakes.Complete(changed);
        }
    }

    private TaskCompletionSource? TakeChanged()
    {
        TaskCompletionSource? changed = _changed;
        _changed = null;
        return changed;
    }
}
