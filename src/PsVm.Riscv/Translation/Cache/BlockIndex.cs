using System.Numerics;
using System.Runtime.InteropServices;
using PsVm.Riscv.Decoding;
using PsVm.Riscv.Memory;

namespace PsVm.Riscv.Translation.Cache;

/// <summary>
/// The blocks of a page of code by offset, as translated code looks for them: hashed, each at its place or at the one beside it. A block
/// for which both are taken makes it grow while that costs little, and is not in it else. Its entries follow.
/// </summary>
/// <remarks>
/// Written under the space's gate, read by harts without. An entry is one word that is written once, so it is seen whole or not at all.
/// What has been outgrown stays as long as the page, for harts that know no other yet, and all that it says stays right: blocks are freed
/// with their page. Safety: masked offsets are within what was allocated; a header's address has 47 bits, as all of the host's have that
/// are the process's.
/// </remarks>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct BlockIndex
{
    /// <summary>How far a block's header is shifted in its entry; the offset is below.</summary>
    public const int Shift = PhysicalMemory.PageShift;

    /// <summary>Instructions have even offsets, and an entry has eight bytes.</summary>
    public const int Scale = 4;

    /// <summary>What turns the address of a place into that of the one beside it: pairs of places are aligned.</summary>
    public const int Beside = sizeof(ulong);

    private const int SmallSize = 16, LargeSize = (int)PhysicalMemory.PageSize / 2, PlacesPerBlock = 16;

    // An offset that no instruction has.
    private const ulong Empty = 1;
    private const ulong OffsetMask = PhysicalMemory.PageSize - 1;

    /// <summary>What of an offset, times <see cref="Scale"/>, is where its entry is in bytes.</summary>
    public ulong Mask;

    /// <summary>What it has outgrown; null: nothing.</summary>
    public BlockIndex* Outgrown;

    /// <summary>The most bytes that one more block takes.</summary>
    /// <param name="blocks">Blocks that there are.</param>
    public static int MostBytesFor(int blocks) =>
        BytesOf(Math.Clamp((int)BitOperations.RoundUpToPowerOf2((uint)((blocks + 1) * PlacesPerBlock)), SmallSize, LargeSize));

    /// <summary>The block at an offset; null: it is not here.</summary>
    public static BlockHeader* Find(BlockIndex* index, int offset)
    {
        ulong* place = PlaceOf(index, offset);
        ulong entry = Volatile.Read(ref *place);
        if ((entry & OffsetMask) != (ulong)offset)
        {
            entry = Volatile.Read(ref *PlaceBeside(place));
        }

        return (entry & OffsetMask) == (ulong)offset ? (BlockHeader*)(entry >> Shift) : null;
    }

    /// <summary>Adds a block.</summary>
    /// <param name="index">The page's index; null: it has none yet.</param>
    /// <param name="offset">The block's offset, which is in none of them.</param>
    /// <param name="block">The block.</param>
    /// <param name="blocks">All blocks of the page by offset.</param>
    /// <param name="bytes">Bytes that were allocated for it.</param>
    /// <returns>The page's index from now on.</returns>
    public static BlockIndex* Add(BlockIndex* index, int offset, BlockHeader* block, Dictionary<int, nint> blocks, out int bytes)
    {
        bytes = 0;
        if (((Op*)(block + 1))->Code == OpCode.End)
        {
            return index; // its instruction crosses the page's end, so it is another one each time
        }

        int size = index is null ? SmallSize : (int)(index->Mask / sizeof(ulong)) + 1;
        if (index is not null && (TryAdd(index, offset, block) || size >= LargeSize || size >= PlacesPerBlock * (blocks.Count + 1)))
        {
            return index;
        }

        size = index is null ? size : 2 * size;
        bytes = BytesOf(size);
        BlockIndex* larger = Make(size, index);
        foreach ((int other, nint ops) in blocks)
        {
            if (((Op*)ops)->Code != OpCode.End)
            {
                TryAdd(larger, other, BlockHeader.Of((Op*)ops));
            }
        }

        TryAdd(larger, offset, block);
        return larger;
    }

    /// <summary>Frees an index and all that it has outgrown.</summary>
    public static void Free(BlockIndex* index)
    {
        while (index is not null)
        {
            BlockIndex* outgrown = index->Outgrown;
            NativeMemory.AlignedFree(index);
            index = outgrown;
        }
    }

    private static int BytesOf(int size) => sizeof(BlockIndex) + (size * sizeof(ulong));

    private static BlockIndex* Make(int size, BlockIndex* outgrown)
    {
        var index = (BlockIndex*)NativeMemory.AlignedAlloc((nuint)BytesOf(size), 2 * Beside);
        *index = new BlockIndex { Mask = (ulong)(size - 1) * sizeof(ulong), Outgrown = outgrown };
        new Span<ulong>(index + 1, size).Fill(Empty);
        return index;
    }

    private static bool TryAdd(BlockIndex* index, int offset, BlockHeader* block)
    {
        ulong* place = PlaceOf(index, offset);
        place = *place == Empty ? place : PlaceBeside(place);
        if (*place != Empty)
        {
            return false;
        }

        Volatile.Write(ref *place, (ulong)block << Shift | (uint)offset);
        return true;
    }

    private static ulong* PlaceBeside(ulong* place) => (ulong*)((nint)place ^ Beside);

    private static ulong* PlaceOf(BlockIndex* index, int offset) => (ulong*)((byte*)(index + 1) + (((ulong)offset * Scale) & index->Mask));
}
