using System.Text;

namespace PsVm.Machine.Devices;

/// <summary>A guest's console: what it printed, what was typed, and who waits for a text. Safe from any thread.</summary>
internal sealed class GuestConsole
{
    /// <summary>Characters of output that are kept; older ones are lost.</summary>
    public const int OutputCapacity = 1 << 20;

    /// <summary>Bytes of input that may wait for the guest.</summary>
    public const int InputCapacity = 1 << 16;

    private const int InitialOutputCapacity = 1 << 12;

    private readonly Lock _gate = new();
    private readonly Decoder _decoder = Encoding.UTF8.GetDecoder();
    private readonly List<TextSearch> _searches = [];
    private readonly Queue<byte> _input = new();

    // The character at position p is at index p modulo the length, which is a power of two; it grows before the first is lost.
    private char[] _output = new char[InitialOutputCapacity];
    private long _end;
    private bool _closed;
    private volatile int _inputCount;

    /// <summary>Raised when input arrived or was taken, on the thread that did it.</summary>
    public event Action? InputChanged;

    /// <summary>Bytes of input that wait.</summary>
    public int InputCount => _inputCount;

    /// <summary>Output of the guest, UTF-8.</summary>
    public void Write(ReadOnlySpan<byte> bytes)
    {
        lock (_gate)
        {
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
        }
    }

    /// <summary>Output from a position on.</summary>
    public ConsoleText Read(long position)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(position);
        lock (_gate)
        {
            long start = Math.Min(Math.Max(position, Start), _end);
            string text = string.Create((int)(_end - start), (_output, start), static (span, from) =>
            {
                for (int i = 0; i < span.Length; i++)
                {
                    span[i] = At(from._output, from.start + i);
                }
            });
            return new ConsoleText(text, _end, Math.Max(0, start - position));
        }
    }

    /// <summary>Waits for a text in what is kept of the output and in what follows.</summary>
    /// <returns>False when the time ran out or the console was closed first.</returns>
    public bool WaitForText(string text, TimeSpan timeout, CancellationToken cancellation)
    {
        TextSearch search = new(text);
        lock (_gate)
        {
            for (long position = Start; position < _end && !search.Found; position++)
            {
                search.Advance(At(_output, position));
            }

            if (search.Found || _closed)
            {
                return search.Found;
            }

            _searches.Add(search);
        }

        try
        {
            search.Ended.Wait(timeout, cancellation);
            return search.Found;
        }
        finally
        {
            lock (_gate)
            {
                _searches.Remove(search);
            }
        }
    }

    /// <summary>Says that no more output follows.</summary>
    public void Close()
    {
        lock (_gate)
        {
            _closed = true;
            _searches.ForEach(search => search.End());
        }
    }

    /// <summary>Types a text.</summary>
    /// <returns>False, and nothing is typed, when it does not fit in the queue.</returns>
    public bool TryType(string text) => TryType(Encoding.UTF8.GetBytes(text));

    /// <summary>Types bytes.</summary>
    /// <returns>False, and nothing is typed, when they do not fit in the queue.</returns>
    public bool TryType(byte[] bytes)
    {
        lock (_gate)
        {
            if (_input.Count + bytes.Length > InputCapacity)
            {
                return false;
            }

            foreach (byte value in bytes)
            {
                _input.Enqueue(value);
            }

            _inputCount = _input.Count;
        }

        InputChanged?.Invoke();
        return true;
    }

    /// <summary>The input that waits, which goes on waiting.</summary>
    public byte[] PeekInput()
    {
        lock (_gate)
        {
            return [.. _input];
        }
    }

    /// <summary>Takes as much of the input as there is and fits.</summary>
    /// <returns>How many bytes.</returns>
    public int TakeInput(Span<byte> to)
    {
        int taken = 0;
        lock (_gate)
        {
            while (taken < to.Length && _input.TryDequeue(out byte value))
            {
                to[taken++] = value;
            }

            _inputCount = _input.Count;
        }

        if (taken > 0)
        {
            InputChanged?.Invoke();
        }

        return taken;
    }

    /// <summary>Takes a byte of input.</summary>
    public bool TryTakeInput(out byte value)
    {
        lock (_gate)
        {
            if (!_input.TryDequeue(out value))
            {
                return false;
            }

            _inputCount = _input.Count;
        }

        InputChanged?.Invoke();
        return true;
    }

    private long Start => Math.Max(0, _end - _output.Length);

    private static char At(char[] output, long position) => output[position & (output.Length - 1)];

    private void Append(char character)
    {
        if (_end == _output.Length && _output.Length < OutputCapacity)
        {
            Array.Resize(ref _output, _output.Length * 2);
        }

        _output[_end & (_output.Length - 1)] = character;
        _end++;
        foreach (TextSearch search in _searches)
        {
            search.Advance(character);
        }
    }

    /// <summary>Looks for a text character by character, never going back (Knuth, Morris, Pratt).</summary>
    private sealed class TextSearch
    {
        private readonly string _text;
        private readonly int[] _borders;
        private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private int _matched;

        public TextSearch(string text)
        {
            _text = text;
            _borders = new int[text.Length];
            for (int i = 1, border = 0; i < text.Length; i++)
            {
                border = Extend(border, text[i]);
                _borders[i] = border;
            }
        }

        public bool Found { get; private set; }

        public Task Ended => _ended.Task;

        public void Advance(char character)
        {
            if (Found)
            {
                return;
            }

            _matched = Extend(_matched, character);
            if (_matched == _text.Length)
            {
                Found = true;
                End();
            }
        }

        public void End() => _ended.TrySetResult();

        private int Extend(int matched, char character)
        {
            while (matched > 0 && _text[matched] != character)
            {
                matched = _borders[matched - 1];
            }

            return _text[matched] == character ? matched + 1 : 0;
        }
    }
}
