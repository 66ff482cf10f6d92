using System.Text;

namespace PsVm.Machine.Devices;

/// <summary>A guest's console: what it printed, what was typed, and who waits for a text. Safe from any thread.</summary>
internal sealed class GuestConsole(TimeProvider time)
{
    /// <summary>Characters of output that are kept; older ones are lost.</summary>
    public const int OutputCapacity = 1 << 20;

    /// <summary>Bytes of input that may wait for the guest.</summary>
    public const int InputCapacity = 1 << 16;

    private const int InitialOutputCapacity = 1 << 8;

    // What waits is typed characters, as they are, and requests of the host: a break of the line, and the key that it gives a meaning.
    private const ushort Break = 0x100;
    private const ushort Key = 0x200;

    private readonly Lock _gate = new();
    private readonly Decoder _decoder = Encoding.UTF8.GetDecoder();
    private readonly ConsoleClock _clock = new(time);
    private readonly List<Waiter> _waiters = [];
    private readonly Queue<ushort> _input = new();

    // The character at position p is at index p modulo the length, which is a power of two; it grows before the first is lost.
    private char[] _output = new char[InitialOutputCapacity];
    private long _end;

    // Where the present life begins; what was written before is not held any more.
    private long _cut;
    private bool _closed;
    private TaskCompletionSource? _more;
    private volatile int _inputCount;

    /// <summary>A console that nothing has been written on, with the system's clock.</summary>
    public GuestConsole()
        : this(TimeProvider.System)
    {
    }

    /// <summary>Raised when input arrived or was taken, on the thread that did it.</summary>
    public event Action? InputChanged;

    /// <summary>Bytes of input that wait.</summary>
    public int InputCount => _inputCount;

    /// <summary>What the serial port receives next is a break.</summary>
    public bool NextIsBreak
    {
        get
        {
            if (_inputCount == 0)
            {
                return false;
            }

            lock (_gate)
            {
                return _input.TryPeek(out ushort next) && next == Break;
            }
        }
    }

    /// <summary>No more output follows.</summary>
    public bool IsClosed
    {
        get
        {
            lock (_gate)
            {
                return _closed;
            }
        }
    }

    /// <summary>Output of the guest, UTF-8.</summary>
    public void Write(ReadOnlySpan<byte> bytes)
    {
        lock (_gate)
        {
            _clock.Note(_end, Start);
            Span<char> characters = stackalloc char[64];
            while (!bytes.IsEmpty)
            {
                _decoder.Convert(bytes, characters, flush: false, out int used, out int made, out _);
                bytes = bytes[used..];
                foreach (char character in characters[..made])
                {
                    Append(character);
                }
            }

            TellOfMore();
        }
    }

    /// <summary>Output from a position on; no half of a character at the end while the other half is there.</summary>
    /// <param name="position">Where to begin.</param>
    /// <param name="limit">The most characters, at least 2.</param>
    public ConsoleText Read(long position, int limit = int.MaxValue)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(position);
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 2);
        lock (_gate)
        {
            long start = Math.Min(Math.Max(position, Start), _end);
            long end = Math.Min(_end, start + limit);
            if (end < _end && char.IsHighSurrogate(At(_output, end - 1)))
            {
                end--;
            }

            string text = string.Create((int)(end - start), (_output, start), static (span, from) =>
            {
                for (int i = 0; i < span.Length; i++)
                {
                    span[i] = At(from._output, from.start + i);
                }
            });
            return new ConsoleText(text, end, Math.Max(0, start - Math.Max(position, _cut)))
            {
                Moments = _clock.Between(start, end),
                IsCut = position < _cut,
            };
        }
    }

    /// <summary>Waits for a text in what is kept of the output from a position on and in what follows.</summary>
    /// <returns>The position after it; null when the time ran out or the console was closed first.</returns>
    public long? WaitForText(string text, long from, TimeSpan timeout, CancellationToken cancellation)
    {
        Waiter waiter;
        lock (_gate)
        {
            waiter = new Waiter(text, Math.Min(Math.Max(from, Start), _end));
            for (long position = waiter.From; position < _end; position++)
            {
                waiter.Advance(At(_output, position));
            }

            if (waiter.FoundEnd is not null || _closed)
            {
                return waiter.FoundEnd;
            }

            _waiters.Add(waiter);
        }

        try
        {
            waiter.Ended.Wait(timeout, cancellation);
            lock (_gate)
            {
                return waiter.FoundEnd;
            }
        }
        finally
        {
            lock (_gate)
            {
                _waiters.Remove(waiter);
            }
        }
    }

    /// <summary>The machine that read the input is no more: what was typed for it is dropped.</summary>
    public void DropInput()
    {
        lock (_gate)
        {
            _input.Clear();
            _inputCount = 0;
        }
    }

    /// <summary>
    /// The machine is put back to where it began: what it wrote is gone, and what was typed for it. The cut takes a position, so that
    /// whoever had read everything before learns of it, too; who waits for a text waits for it behind the cut.
    /// </summary>
    public void Cut()
    {
        lock (_gate)
        {
            _input.Clear();
            _inputCount = 0;
            _decoder.Reset();
            _cut = ++_end;
            _waiters.ForEach(waiter => waiter.BeginAt(_cut));
            TellOfMore();
        }
    }

    /// <summary>Another machine goes on where one ended.</summary>
    public void Reopen()
    {
        lock (_gate)
        {
            _closed = false;
        }
    }

    /// <summary>Waits until there is output behind a position, the console is closed, or the time has run out.</summary>
    public void WaitForMore(long position, TimeSpan timeout, CancellationToken cancellation)
    {
        Task more;
        lock (_gate)
        {
            if (_end > position || _closed)
            {
                return;
            }

            _more ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            more = _more.Task;
        }

        more.Wait(timeout, cancellation);
    }

    /// <summary>Says that no more output follows.</summary>
    public void Close()
    {
        lock (_gate)
        {
            _closed = true;
            _waiters.ForEach(waiter => waiter.End());
            TellOfMore();
        }
    }

    /// <summary>Types a text.</summary>
    /// <returns>False, and nothing is typed, when it does not fit in the queue.</returns>
    public bool TryType(string text) => TryType(text, out _);

    /// <summary>Types a text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="position">Position of the output before the guest could read it.</param>
    /// <returns>False, and nothing is typed, when it does not fit in the queue.</returns>
    public bool TryType(string text, out long position) => TryType(Encoding.UTF8.GetBytes(text), out position);

    /// <summary>Types bytes.</summary>
    /// <returns>False, and nothing is typed, when they do not fit in the queue.</returns>
    public bool TryType(byte[] bytes) => TryType(bytes, out _);

    /// <summary>Sends a break and a key, which together are a request to a kernel, such as Linux's magic SysRq.</summary>
    /// <remarks>Only the serial port can tell a break from a character: who reads through the SBI gets neither of the two.</remarks>
    /// <returns>False, and nothing is sent, when they do not fit in the queue.</returns>
    public bool TrySendBreak(char key)
    {
        lock (_gate)
        {
            if (_input.Count + 2 > InputCapacity)
            {
                return false;
            }

            _input.Enqueue(Break);
            _input.Enqueue((ushort)(Key | (byte)key));
            _inputCount = _input.Count;
        }

        InputChanged?.Invoke();
        return true;
    }

    /// <summary>Takes back the breaks, and their keys, that the guest has not received.</summary>
    public void WithdrawBreaks()
    {
        lock (_gate)
        {
            byte[] typed = Typed();
            if (typed.Length == _input.Count)
            {
                return;
            }

            _input.Clear();
            Enqueue(typed);
        }

        InputChanged?.Invoke();
    }

    /// <summary>What was typed and waits, and goes on waiting. What is asked of this guest by a break is not asked of its clones.</summary>
    public byte[] PeekInput()
    {
        lock (_gate)
        {
            return Typed();
        }
    }

    /// <summary>Takes what the serial port receives next; a break is a zero.</summary>
    public bool TryReceive(out byte value)
    {
        lock (_gate)
        {
            bool some = _input.TryDequeue(out ushort next);
            value = (byte)next;
            if (!some)
            {
                return false;
            }

            _inputCount = _input.Count;
        }

        InputChanged?.Invoke();
        return true;
    }

    /// <summary>Takes as much of the typed input as there is and fits.</summary>
    /// <returns>How many bytes.</returns>
    public int TakeInput(Span<byte> to)
    {
        int taken = 0;
        bool changed;
        lock (_gate)
        {
            while (taken < to.Length && _input.TryDequeue(out ushort value))
            {
                if (value <= byte.MaxValue)
                {
                    to[taken++] = (byte)value;
                }
            }

            changed = _inputCount != _input.Count;
            _inputCount = _input.Count;
        }

        if (changed)
        {
            InputChanged?.Invoke();
        }

        return taken;
    }

    /// <summary>Takes a byte of the typed input.</summary>
    public bool TryTakeInput(out byte value)
    {
        value = 0;
        return TakeInput(new Span<byte>(ref value)) == 1;
    }

    private long Start => Math.Max(_cut, _end - _output.Length);

    private static char At(char[] output, long position) => output[position & (output.Length - 1)];

    private void Append(char character)
    {
        if (_end - Start == _output.Length && _output.Length < OutputCapacity)
        {
            Grow();
        }

        _output[_end & (_output.Length - 1)] = character;
        _end++;
        foreach (Waiter waiter in _waiters)
        {
            waiter.Advance(character);
        }
    }

    private void Grow()
    {
        char[] larger = new char[_output.Length * 2];
        for (long position = Start; position < _end; position++)
        {
            larger[position & (larger.Length - 1)] = At(_output, position);
        }

        _output = larger;
    }

    private bool TryType(byte[] bytes, out long position)
    {
        lock (_gate)
        {
            position = _end;
            if (_input.Count + bytes.Length > InputCapacity)
            {
                return false;
            }

            Enqueue(bytes);
        }

        InputChanged?.Invoke();
        return true;
    }

    private byte[] Typed() => _inputCount == 0 ? [] : [.. _input.Where(value => value <= byte.MaxValue).Select(value => (byte)value)];

    private void Enqueue(byte[] bytes)
    {
        foreach (byte value in bytes)
        {
            _input.Enqueue(value);
        }

        _inputCount = _input.Count;
    }

    private void TellOfMore()
    {
        _more?.TrySetResult();
        _more = null;
    }

    /// <summary>Who waits for a text. Under the console's gate.</summary>
    private sealed class Waiter(string text, long from)
    {
        private TextSearch _search = new(text);
        private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public long From { get; private set; } = from;

        public long? FoundEnd => _search.Found ? From + _search.Looked : null;

        public Task Ended => _ended.Task;

        /// <summary>What it has looked at is gone; what it has found stays found.</summary>
        public void BeginAt(long position)
        {
            if (!_search.Found)
            {
                (From, _search) = (position, new TextSearch(text));
            }
        }

        public void Advance(char character)
        {
            _search.Advance(character);
            if (_search.Found)
            {
                End();
            }
        }

        public void End() => _ended.TrySetResult();
    }
}
