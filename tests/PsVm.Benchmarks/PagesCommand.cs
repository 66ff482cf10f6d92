using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text.Json;
using PsVm.Machine.Guests;

namespace PsVm.Benchmarks;

/// <summary>Which pages of its template a clone makes its own, and what differs in them.</summary>
internal static class PagesCommand
{
    private const int PageSize = 4096;

    // Bits of a page table entry (RISC-V privileged architecture, section 12.3.1): valid; accessed and dirty.
    private const ulong Valid = 1;
    private const ulong AccessedDirty = 0xc0;

    // Bits of /proc/self/pagemap (Documentation/admin-guide/mm/pagemap.rst): present; page of a file, or shared.
    private const ulong Present = 1UL << 63;
    private const ulong OfFile = 1UL << 61;

    /// <summary>Prints a line after each of some times.</summary>
    public static void Pages(string[] words)
    {
        Arguments arguments = new(words);
        CloneOptions options = new(arguments);
        string? list = arguments.TextOrNull("--list");
        arguments.Done();

        using CloneHost host = new(options);
        byte[] template = File.ReadAllBytes(host.RamFile);

        // What is compiled and loaded when first used is no clone's.
        host.StartClone(0);
        host.WaitForTick(0);
        host.Remove(0, 1);

        foreach (int milliseconds in (int[])[0, 1000])
        {
            GuestInfo guest = host.StartClone(1);
            host.WaitForTick(1);
            Thread.Sleep(milliseconds);
            host.Suspend(1, 1);
            Print(milliseconds, template, guest.Backends[0], list);
            host.Remove(1, 1);
        }
    }

    private static void Print(int milliseconds, byte[] template, MappingOutcome ram, string? list)
    {
        int own = 0, same = 0, accessedDirty = 0, words = 0;
        List<string> lines = [];
        byte[] page = new byte[PageSize];
        foreach (int number in OwnPages((nint)ram.Address, template.Length / PageSize))
        {
            // The clone is suspended and its RAM stays mapped until it is removed.
            Marshal.Copy((nint)ram.Address + ((nint)number * PageSize), page, 0, PageSize);
            (int differing, bool onlyAccessedDirty) = Compare(template.AsSpan(number * PageSize, PageSize), page);
            own++;
            words += differing;
            same += differing == 0 ? 1 : 0;
            accessedDirty += differing > 0 && onlyAccessedDirty ? 1 : 0;
            lines.Add($"{(long)number * PageSize:x} {differing}");
        }

        if (list is not null)
        {
            File.WriteAllLines($"{list}.{milliseconds}", lines);
        }

        Console.WriteLine(JsonSerializer.Serialize(new
        {
            ms_after_tick = milliseconds,
            own_pages = own,
            unchanged = same,
            only_accessed_dirty = accessedDirty,
            differing_words = words,
        }));
    }

    private static (int Words, bool OnlyAccessedDirty) Compare(ReadOnlySpan<byte> before, ReadOnlySpan<byte> after)
    {
        int words = 0;
        bool onlyAccessedDirty = true;
        for (int at = 0; at < PageSize; at += sizeof(ulong))
        {
            ulong was = BinaryPrimitives.ReadUInt64LittleEndian(before[at..]), now = BinaryPrimitives.ReadUInt64LittleEndian(after[at..]);
            words += was == now ? 0 : 1;
            onlyAccessedDirty &= ((was ^ now) & ~AccessedDirty) == 0 && (was == now || (was & Valid) != 0);
        }

        return (words, onlyAccessedDirty);
    }

    private static IEnumerable<int> OwnPages(nint address, int pages)
    {
        byte[] entries = new byte[pages * sizeof(ulong)];
        using (FileStream map = File.OpenRead("/proc/self/pagemap"))
        {
            map.Position = address / PageSize * sizeof(ulong);
            map.ReadExactly(entries);
        }

        for (int number = 0; number < pages; number++)
        {
            ulong entry = BinaryPrimitives.ReadUInt64LittleEndian(entries.AsSpan(number * sizeof(ulong)));
            if ((entry & Present) != 0 && (entry & OfFile) == 0)
            {
                yield return number;
            }
        }
    }
}
