using System.Globalization;
using Mono.Unix.Native;
using PsVm.Memory.Discarding;
using PsVm.Memory.Files;

namespace PsVm.Memory.Mapping;

/// <summary>What a mapping costs, from /proc/self/smaps.</summary>
internal static class MappingUsage
{
    public static MemoryUsage Measure(string id, BackendPlan plan, RamMapping mapping, MappingLayout layout)
    {
        var start = (ulong)mapping.Address;
        var (resident, anonymous) = Sum(File.ReadLines("/proc/self/smaps"), start, start + (ulong)mapping.Size);

        // smaps does not tell private huge pages from the file's.
        var own = plan is { HugeTlb: true, Options.Share: false } ? PageMap.PrivateBytes(mapping.Address, mapping.Size) : anonymous;
        var blocks = plan.File is { } file ? FileFacts.Of(file.Fd).AllocatedBytes : 0;
        return new(id, mapping.Size, resident, own, Math.Max(0, resident - own), layout.OverlayBytes, layout.OverlayCount, blocks);
    }

    /// <summary>Adds up resident and anonymous bytes of the mappings inside a range.</summary>
    internal static (long Resident, long Anonymous) Sum(IEnumerable<string> smaps, ulong start, ulong end)
    {
        var inside = false;
        long resident = 0, anonymous = 0;
        foreach (var line in smaps)
        {
            var separator = line.IndexOf(':', StringComparison.Ordinal);
            var name = separator > 0 ? line.AsSpan(0, separator) : default;
            if (TryParseRange(line, out var first, out var last))
            {
                if (first >= end)
                {
                    break;
                }

                inside = first >= start && last <= end;
            }
            else if (inside && name is "Rss" or "Shared_Hugetlb" or "Private_Hugetlb")
            {
                resident += ParseKilobytes(line.AsSpan(separator + 1));
            }
            else if (inside && name is "Anonymous")
            {
                anonymous += ParseKilobytes(line.AsSpan(separator + 1));
            }
        }

        return (resident, anonymous);
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
