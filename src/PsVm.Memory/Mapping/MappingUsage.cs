using System.Globalization;
using PsVm.Memory.Discarding;
using PsVm.Memory.Files;

namespace PsVm.Memory.Mapping;

/// <summary>What a mapping costs, from /proc/self/smaps.</summary>
internal static class MappingUsage
{
    public static MemoryUsage Measure(
        string id, OpenedBackend plan, RamMapping mapping, MappingLayout layout, ProcessMappings? mappings = null)
    {
        var start = (ulong)mapping.Address;
        var end = start + (ulong)mapping.Size;
        var (resident, anonymous) = mappings?.Sum(start, end) ?? Sum(File.ReadLines(ProcessMappings.Path), start, end);

        // smaps does not tell private huge pages from the file's.
        var own = plan is { HugeTlb: true, Options.Share: false } ? PageMap.PrivateBytes(mapping.Address, mapping.Size) : anonymous;
        var blocks = plan.File is { } file ? FileFacts.Of(file.Fd).AllocatedBytes : 0;
        return new(id, mapping.Size, resident, own, Math.Max(0, resident - own), layout.OverlayBytes, layout.OverlayCount, blocks);
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
