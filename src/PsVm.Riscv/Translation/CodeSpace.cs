using System.Runtime.InteropServices;
using PsVm.Riscv.Decoding;
using PsVm.Riscv.Interpreter;

namespace PsVm.Riscv.Translation;

/// <summary>
/// One filling of a <see cref="CodeCache"/>: pages, their decoded blocks, and translations. It only grows; when it is full the cache
/// begins another, and this one goes with its last user.
/// </summary>
internal sealed unsafe class CodeSpace : IDisposable
{
    private const int ChunkOps = 4096; // 64 KiB
    private const long MaxDecodedBytes = 64 << 20;

    private readonly Lock _gate = new();
    private readonly Dictionary<long, List<CodePage>> _pages = [];
    private readonly List<nint> _chunks = [];
    private readonly List<BlockTranslator.Late> _late = [];
    private readonly CodeMemory? _memory;
    private readonly Stubs? _stubs;
    private int _usedOps = ChunkOps;
    private int _pageCount;
    private int _users = 1;

    /// <param name="options">The second tier.</param>
    public CodeSpace(TranslatorOptions options)
    {
        if (options.Enabled && BlockTranslator.IsSupported)
        {
            _memory = new CodeMemory((nuint)options.CodeBytes);
            _stubs = new Stubs(_memory);
        }
    }

    /// <summary>No more fits.</summary>
    public bool IsFull { get; private set; }

    /// <summary>Whether blocks can be translated.</summary>
    public bool Translates => _stubs is not null;

    /// <summary>Where a jump goes whose target has no translation; null without the second tier.</summary>
    public byte* NotTranslated => _stubs is null ? null : _stubs.NotTranslated;

    public long CodeBytes => (long)(_memory?.Used ?? 0);

    public long TranslatedBlocks { get; private set; }

    public long DecodedBytes => (_chunks.Count * (long)ChunkOps * sizeof(Op)) + (_pageCount * (long)PhysicalMemory.PageSize);

    public void AddUser() => Interlocked.Increment(ref _users);

    /// <summary>The last user's release frees everything.</summary>
    public void Release()
    {
        if (Interlocked.Decrement(ref _users) == 0)
        {
            Dispose();
        }
    }

    /// <summary>Frees everything; for <see cref="Release"/>.</summary>
    public void Dispose()
    {
        foreach (nint memory in _chunks.Concat(_pages.Values.SelectMany(variants => variants.Select(page => (nint)page.Bytes))))
        {
            NativeMemory.Free((void*)memory);
        }

        _memory?.Dispose();
    }

    /// <summary>The shared page with the content of a hart's page.</summary>
    /// <param name="number">Number of the page, counted over all RAM of its guest.</param>
    /// <param name="host">Its first byte.</param>
    public CodePage FindPage(long number, byte* host)
    {
        const int Size = (int)PhysicalMemory.PageSize;
        lock (_gate)
        {
            if (!_pages.TryGetValue(number, out List<CodePage>? variants))
            {
                _pages.Add(number, variants = []);
            }

            foreach (CodePage known in variants)
            {
                if (new ReadOnlySpan<byte>(known.Bytes, Size).SequenceEqual(new ReadOnlySpan<byte>(host, Size)))
                {
                    return known;
                }
            }

            var page = new CodePage((byte*)NativeMemory.Alloc(Size));
            new ReadOnlySpan<byte>(host, Size).CopyTo(new Span<byte>(page.Bytes, Size));
            variants.Add(page);
            _pageCount++;
            CheckRoom();
            return page;
        }
    }

    /// <summary>The block that begins at an offset of a page, decoded when it is not there yet.</summary>
    public Op* FindBlock(CodePage page, int offset)
    {
        lock (_gate)
        {
            if (page.Blocks.TryGetValue(offset, out nint known))
            {
                return (Op*)known;
            }

            if (_usedOps + 1 + BlockDecoder.MaxOps > ChunkOps)
            {
                _chunks.Add((nint)NativeMemory.Alloc(ChunkOps * (nuint)sizeof(Op)));
                _usedOps = 0;
                CheckRoom();
            }

            Op* ops = (Op*)_chunks[^1] + _usedOps + 1;
            *BlockHeader.Of(ops) = default;
            _usedOps += 1 + BlockDecoder.Decode(ops, page.Bytes, offset);
            page.Blocks.Add(offset, (nint)ops);
            return ops;
        }
    }

    /// <summary>Translates a block; false: it stays with the interpreter.</summary>
    public bool Translate(Op* ops)
    {
        BlockHeader* header = BlockHeader.Of(ops);
        lock (_gate)
        {
            if (header->Code is not null)
            {
                return true;
            }

            header->Heat = int.MinValue; // not asked for again
            if (_memory!.Used + BlockTranslator.MaxBytes > _memory.Size)
            {
                IsFull = true;
                return false;
            }

            int length = BlockTranslator.Translate(_stubs!, ops, _memory.Next, _late);
            if (length == 0)
            {
                return false;
            }

            byte* code = _memory.Executable(_memory.Next);
            _memory.Keep((nuint)length);
            TranslatedBlocks++;
            Volatile.Write(ref *(nint*)&header->Code, (nint)code);
            return true;
        }
    }

    /// <summary>Runs translated code until it leaves; pc and the count of retired instructions are right then.</summary>
    public void Run(HartState* state, byte* code, ulong pc)
    {
        if (state->ChainFrom != 0)
        {
            // Other harts may be running the jump: it is aligned, so they see the old target or the new one.
            X64Assembler.Bind(_memory!.Writable((byte*)state->ChainFrom), _memory.Writable(code));
            state->ChainFrom = 0;
        }

        _stubs!.Enter(state, code, pc & ~(PhysicalMemory.PageSize - 1));
    }

    private void CheckRoom() => IsFull |= DecodedBytes > MaxDecodedBytes;
}

/// <summary>A page of instructions as it was when a block was first decoded from it.</summary>
internal sealed unsafe class CodePage(byte* bytes)
{
    /// <summary>Its content.</summary>
    public byte* Bytes { get; } = bytes;

    /// <summary>Decoded blocks by offset; guarded by the space.</summary>
    public Dictionary<int, nint> Blocks { get; } = [];
}
