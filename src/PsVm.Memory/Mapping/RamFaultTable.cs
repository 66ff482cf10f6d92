using System.Diagnostics;
using System.Runtime.InteropServices;
using Mono.Unix.Native;
using PsVm.Memory.Native;

namespace PsVm.Memory.Mapping;

/// <summary>Where a mapping was touched first without a page to be had, and how that was told.</summary>
/// <param name="Offset">Bytes from the start of the mapping.</param>
/// <param name="SignalCode">si_code of the SIGBUS.</param>
/// <param name="Count">Faults so far.</param>
internal readonly record struct RamFaultNote(long Offset, int SignalCode, long Count);

/// <summary>
/// The mappings of guest RAM in this process, for the handler of SIGBUS to look in and to note faults in. Safe from any thread; the handler
/// reads without a lock.
/// </summary>
/// <remarks>
/// A slot belongs to one mapping from <see cref="Add"/> to <see cref="Remove"/>, which its owner calls before it unmaps. Start is
/// written last when a slot is taken, and zeroed first when it is freed; the handler reads start, size, and start again. Were the slot
/// taken anew in between at the same start, the size it read is that of one of two mappings of which neither holds the address: it is in a
/// third one, which was there all the time, for else nobody could touch it.
/// </remarks>
internal static unsafe class RamFaultTable
{
    /// <summary>Most mappings; more than vm.max_map_count allows unless it was raised.</summary>
    public const int Capacity = 1 << 16;

    /// <summary>Stands where the code of a signal would: BUS_ADRALN, which is never that of a page.</summary>
    public const int NoSignal = 1;

    private static readonly Lock s_gate = new();
    private static readonly Stack<int> s_free = new();
    private static readonly Header* s_table = Allocate();

    /// <summary>Why faults end the process here, as a clause; null: they do not.</summary>
    public static string? Unavailable { get; } =
        s_table is null ? "there is no memory for the table of mappings" : BusErrorHandler.Install((nint)s_table, &s_table->Previous);

    /// <summary>Faults in all mappings so far. Costs one read.</summary>
    public static long Count => s_table is null ? 0 : Volatile.Read(ref s_table->Faults);

    /// <summary>Enters a mapping that is there and that nobody has touched yet.</summary>
    /// <param name="start">First byte.</param>
    /// <param name="size">Bytes.</param>
    /// <param name="pageSize">Bytes of a page, which zeros take the place of.</param>
    /// <param name="protection">What zeros are mapped with.</param>
    /// <returns>Its slot; null: the table is full, or of no use here.</returns>
    public static int? Add(nint start, long size, long pageSize, MmapProts protection)
    {
        Debug.Assert(start != 0 && size > 0 && long.IsPow2(pageSize), "an empty slot or a page of odd size");
        Debug.Assert(start % pageSize == 0 && size % pageSize == 0, "zeros over a page at an end would reach beyond the mapping");
        if (Unavailable is not null)
        {
            return null;
        }

        lock (s_gate)
        {
            if (!s_free.TryPop(out int index))
            {
                if (s_table->Used == Capacity)
                {
                    return null;
                }

                index = (int)s_table->Used;
            }

            Slot* slot = SlotAt(index);
            Debug.Assert(slot->Start == 0, "the slot is another mapping's");
            slot->Size = size;
            slot->PageMask = -pageSize;
            slot->Protection = (long)protection;
            slot->Faults = 0;
            slot->First = 0;
            Volatile.Write(ref slot->Start, start);
            Volatile.Write(ref s_table->Used, Math.Max(s_table->Used, index + 1));
            return index;
        }
    }

    /// <summary>Takes a mapping out that is about to be unmapped, and that nobody touches any more.</summary>
    public static void Remove(int index)
    {
        lock (s_gate)
        {
            Debug.Assert(SlotAt(index)->Start != 0, "the slot is free already");
            Volatile.Write(ref SlotAt(index)->Start, 0);
            s_free.Push(index);
        }
    }

    /// <summary>Notes a fault that was no signal: a mapping that could not be had.</summary>
    public static void Note(int index, long offset)
    {
        Slot* slot = SlotAt(index);
        Interlocked.CompareExchange(ref slot->First, (offset << 3) | NoSignal, 0);
        Interlocked.Increment(ref slot->Faults);
        Interlocked.Increment(ref s_table->Faults);
    }

    /// <summary>The first fault of a mapping in the table; null: none.</summary>
    public static RamFaultNote? Find(int index)
    {
        Slot* slot = SlotAt(index);
        long first = Volatile.Read(ref slot->First);
        return first == 0 ? null : new(first >> 3, (int)(first & 7), Volatile.Read(ref slot->Faults));
    }

    // Safety: the table is never freed, and an index is that of a slot in it.
    private static Slot* SlotAt(int index)
    {
        Debug.Assert(index is >= 0 and < Capacity, "no such slot");
        return (Slot*)(s_table + 1) + index;
    }

    // Memory that is not the runtime's, at a fixed place; only what is used of it is ever in memory.
    private static Header* Allocate()
    {
        Debug.Assert(sizeof(Header) == 64 && sizeof(Slot) == 64, "the handler knows the layout");
        nint table = Syscall.mmap(
            0,
            (ulong)(sizeof(Header) + (Capacity * sizeof(Slot))),
            MmapProts.PROT_READ | MmapProts.PROT_WRITE,
            MmapFlags.MAP_PRIVATE | MmapFlags.MAP_ANONYMOUS | MmapFlags.MAP_NORESERVE,
            -1,
            0);
        return table == Syscall.MAP_FAILED ? null : (Header*)table;
    }

    [StructLayout(LayoutKind.Sequential, Size = 64)]
    private struct Header
    {
        public long Used;
        public long Faults;
        public nint Previous;
    }

    [StructLayout(LayoutKind.Sequential, Size = 64)]
    private struct Slot
    {
        public nint Start;
        public long Size;
        public long PageMask;
        public long Protection;
        public long Faults;
        public long First;
    }
}
