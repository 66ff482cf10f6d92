using System.Globalization;
using PsVm.Memory.Discarding;
using PsVm.Memory.Files;

namespace PsVm.Memory.Mapping;

/// <summary>What a mapping costs, from /proc/self/smaps.</summary>
internal static class MappingUsage
{
    public static MemoryUsage Measure(
        string id,
        OpenedBackend opened,
        RamMapping mapping,
        MappingLayout layout,
        ProcessMappings? mappings = null,
        CancellationToken cancellation = default)
    {
        var start = (ulong)mapping.Address;
        var end = start + (ulong)mapping.Size;
        var (resident, anonymous) = mappings?.Sum(start, end) ?? Sum(ProcessMappings.ReadLines(cancellation), start, end);

        // smaps does not tell private huge pages from the file's.
        var own = opened.Decision is { HugeTlb: true, Options.Share: false }
            ? PageMap.PrivateBytes(mapping.Address, mapping.Size, cancellation)
            : anonymous;
        var blocks = opened.File is { } file ? FileFacts.Of(file.Fd).AllocatedBytes : 0;
        return new(id, mapping.Size, resident, own, Math.Max(0, resident - own), layout.OverlayBytes, layout.OverlayCount, blocks);
    }

    /// <summary>What the pages of a mapping are, by cells.</summary>
    /// <param name="id">The backend's id.</param>
    /// <param name="mapping">The mapping.</param>
    /// <param name="layout">Where its overlays are.</param>
    /// <param name="cellSize">Bytes of a cell; a multiple of the system's page size.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="ArgumentOutOfRangeException">The size is no multiple of the page size.</exception>
    public static RamMap Map(string id, RamMapping mapping, MappingLayout layout, long cellSize, CancellationToken cancellation)
    {
        if (cellSize <= 0 || cellSize % Environment.SystemPageSize != 0)
        {
            throw new ArgumentOutOfRangeException(
                nameof(cellSize), cellSize, $"Expected a multiple of the page size of {Environment.SystemPageSize} bytes.");
        }

        (long Shared, long Own)[] pages = PageMap.Cells(mapping.Address, mapping.Size, cellSize, cancellation);
        long[] overlays = new long[pages.Length];
        foreach (Segment part in layout.Within(0, mapping.Size).Where(part => part.IsOverlay))
        {
            for (long start = part.Start; start < part.End; start = ((start / cellSize) + 1) * cellSize)
            {
                overlays[start / cellSize] += Math.Min(part.End, ((start / cellSize) + 1) * cellSize) - start;
            }
        }

        return new RamMap(
            id, mapping.Size, cellSize, [.. pages.Select((cell, i) => new RamMapCell(cell.Shared, cell.Own, overlays[i]))]);
    }

    /// <summary>Adds up resident and anonymous bytes of the mappings inside a range; reads no further than its end.</summary>
    internal static (long Resident, long Anonymous) Sum(IEnumerable<string> smaps, ulong start, ulong end) =>
        Sum(Parse(smaps).TakeWhile(mapping => mapping.Start < end), start, end);

    /// <summary>Adds up resident and anonymous bytes of the mappings inside a range.</summary>
    internal static (long Resident, long Anonymous) Sum(IEnumerable<KernelMapping> mappings, ulong start, ulong end)
    {
        long resident = 0, anonymous = 0;
        foreach (var mapping in mappings)
        {
            if (mapping.Start >= start && mapping.End <= end)
            {
                resident += mapping.Resident;
                anonymous += mapping.Anonymous;
            }
        }

        return (resident, anonymous);
    }

    /// <summary>Parses the text of smaps (proc(5)), which is in the order of addresses.</summary>
    internal static IEnumerable<KernelMapping> Parse(IEnumerable<string> smaps)
    {
        var mapping = default(KernelMapping);
        foreach (var line in smaps)
        {
            if (TryParseRange(line, out var first, out var last))
            {
                if (mapping.End != 0)
                {
                    yield return mapping;
                }

                mapping = new(first, last, 0, 0);
                continue;
            }

            var separator = line.IndexOf(':', StringComparison.Ordinal);
            switch (separator > 0 ? line.AsSpan(0, separator) : default)
            {
                case "Rss" or "Shared_Hugetlb" or "Private_Hugetlb":
                    mapping = mapping with { Resident = mapping.Resident + ParseKilobytes(line.AsSpan(separator + 1)) };
                    break;
                case "Anonymous":
                    mapping = mapping with { Anonymous = ParseKilobytes(line.AsSpan(separator + 1)) };
                    break;
            }
        }

        if (mapping.End != 0)
        {
            yield return mapping;
        }
    }

    // Mappings begin with a line such as "7f0000000000-7f0000001000 rw-p ..."; fields with a capital letter.
    private static bool TryParseRange(string line, out ulong first, out ulong last)
    {
        first = last = 0;
        var dash = line.IndexOf('-', StringComparison.Ordinal);
        var space = line.IndexOf(' ', StringComparison.Ordinal);
        return dash > 0 && dash < space
            && TryParseHex(line.AsSpan(0, dash), out first)
            && TryParseHex(line.AsSpan((dash + 1)..space), out last);
    }

    private static bool TryParseHex(ReadOnlySpan<char> digits, out ulong number) =>
        ulong.TryParse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out number);

    private static long ParseKilobytes(ReadOnlySpan<char> field) =>
        long.Parse(field[..field.LastIndexOf(' ')], NumberStyles.AllowLeadingWhite, CultureInfo.InvariantCulture) * 1024;
}
