using System.Runtime.InteropServices;
using PsVm.Riscv.Decoding;

namespace PsVm.Riscv.Interpreter;

/// <summary>
/// Decoded blocks of one hart, keyed by the host address of their first instruction, so that they outlive changes of the page
/// table. A block ends at the end of its page at the latest.
/// </summary>
/// <param name="pageCount">Pages of RAM.</param>
internal sealed unsafe class BlockCache(long pageCount) : IDisposable
{
    private const int JumpBits = 10, JumpSize = 1 << JumpBits, JumpTables = 3;
    private const int MaxOps = 128;
    private const int ChunkOps = 4096, MaxChunks = 512; // 64 KiB each, 32 MiB in all

    private readonly Dictionary<nint, nint> _blocks = [];
    private readonly Dictionary<long, List<nint>> _blocksOfPage = [];
    private readonly ulong[] _codePages = new ulong[(pageCount + 63) / 64];
    private readonly List<nint> _chunks = [];
    private readonly JumpEntry* _jumps = (JumpEntry*)NativeMemory.AlignedAlloc(JumpTables * JumpSize * (nuint)sizeof(JumpEntry), 64);
    private int _chunk = -1;
    private int _usedOps = ChunkOps;

    /// <summary>Mask for an index into a jump table, from the address of an instruction shifted right by one.</summary>
    public const uint JumpMask = JumpSize - 1;

    /// <summary>Blocks that are cached.</summary>
    public int Count => _blocks.Count;

    /// <summary>The table of block starts for a mode.</summary>
    public JumpEntry* Jumps(PrivilegeMode mode) => _jumps + (JumpSize * mode switch
    {
        PrivilegeMode.User => 0,
        PrivilegeMode.Supervisor => 1,
        _ => 2,
    });

    /// <summary>Whether the page holds instructions that are cached.</summary>
    public bool HasCode(long page) => (_codePages[page >> 6] >> (int)(page & 63) & 1) != 0;

    /// <summary>Forgets where blocks begin by virtual address; the blocks stay.</summary>
    public void ForgetJumps()
    {
        for (JumpEntry* entry = _jumps; entry < _jumps + (JumpTables * JumpSize); entry++)
        {
            entry->Address = JumpEntry.Empty;
        }
    }

    /// <summary>Forgets every block. Must not be called while one runs.</summary>
    public void Clear()
    {
        ForgetJumps();
        _blocks.Clear();
        _blocksOfPage.Clear();
        Array.Clear(_codePages);
        _chunk = -1;
        _usedOps = ChunkOps;
    }

    /// <summary>Forgets the blocks of one page; one that runs may run to its end.</summary>
    public void InvalidatePage(long page)
    {
        if (_blocksOfPage.Remove(page, out List<nint>? starts))
        {
            foreach (nint start in starts)
            {
                _blocks.Remove(start);
            }
        }

        _codePages[page >> 6] &= ~(1ul << (int)(page & 63));
        ForgetJumps();
    }

    /// <summary>The block that begins at a host address, decoded when it is not there yet.</summary>
    /// <param name="host">Host address of the first instruction, which must not cross the end of its page.</param>
    /// <param name="page">Number of its page.</param>
    /// <param name="newCodePage">The page held no cached code before.</param>
    public Op* Get(byte* host, long page, out bool newCodePage)
    {
        newCodePage = false;
        if (_blocks.TryGetValue((nint)host, out nint known))
        {
            return (Op*)known;
        }

        Op* ops = Allocate() + 1;
        *BlockHeader.Of(ops) = default;
        _usedOps += 1 + DecodeBlock(ops, host);
        newCodePage = !HasCode(page);
        _codePages[page >> 6] |= 1ul << (int)(page & 63);
        _blocks.Add((nint)host, (nint)ops);
        if (!_blocksOfPage.TryGetValue(page, out List<nint>? starts))
        {
            _blocksOfPage.Add(page, starts = []);
        }

        starts.Add((nint)host);
        return ops;
    }

    public void Dispose()
    {
        foreach (nint chunk in _chunks)
        {
            NativeMemory.Free((void*)chunk);
        }

        NativeMemory.AlignedFree(_jumps);
    }

    private static int DecodeBlock(Op* ops, byte* host)
    {
        const int PageMask = (int)PhysicalMemory.PageSize - 1;
        int offset = (int)((nint)host & PageMask);
        byte* page = host - offset;
        int count = 0;
        while (count < MaxOps - 1 && offset <= PageMask - 1)
        {
            uint bits = *(ushort*)(page + offset);
            if (Decoder.IsFull(bits))
            {
                if (offset == PageMask - 1)
                {
                    break; // the next instruction crosses into another page
                }

                bits |= (uint)*(ushort*)(page + offset + 2) << 16;
            }

            Op op = Decoder.Decode(bits, offset);
            ops[count++] = op;
            offset += op.Length;
            if (Decoder.EndsBlock(op.Code))
            {
                return count;
            }
        }

        ops[count++] = new Op { Code = OpCode.End, Offset = (ushort)offset };
        return count;
    }

    /// <summary>Room for a header and the longest block.</summary>
    private Op* Allocate()
    {
        if (_usedOps + 1 + MaxOps > ChunkOps)
        {
            if (_chunk == MaxChunks - 1)
            {
                Clear();
            }

            _chunk++;
            _usedOps = 0;
            if (_chunk == _chunks.Count)
            {
                _chunks.Add((nint)NativeMemory.Alloc(ChunkOps * (nuint)sizeof(Op)));
            }
        }

        return (Op*)_chunks[_chunk] + _usedOps;
    }
}
