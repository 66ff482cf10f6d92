using System.Globalization;

namespace PsVm.Memory.Tests.Support;

/// <summary>A mapping as /proc/self/smaps shows it.</summary>
internal sealed record SmapsEntry(ulong Start, ulong End, string Protection, IReadOnlyDictionary<string, string> Fields)
{
    public IReadOnlyList<string> Flags => Fields["VmFlags"].Split(' ', StringSplitOptions.RemoveEmptyEntries);

    /// <summary>The mappings that touch a range, in address order.</summary>
    public static List<SmapsEntry> Within(ulong start, ulong end)
    {
        var entries = new List<SmapsEntry>();
        Dictionary<string, string> fields = [];
        foreach (var line in File.ReadLines("/proc/self/smaps"))
        {
            var words = line.Split(' ', 3);
            if (words[0].EndsWith(':'))
            {
                fields[words[0].TrimEnd(':')] = line[words[0].Length..].Trim();
            }
            else
            {
                fields = [];
                var ends = words[0].Split('-');
                entries.Add(new(ParseHex(ends[0]), ParseHex(ends[1]), words[1], fields));
            }
        }

        return entries.FindAll(e => e.Start < end && e.End > start);
    }

    private static ulong ParseHex(string digits) => ulong.Parse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);

    public static List<SmapsEntry> Of(MemoryBackend backend) =>
        Within((ulong)backend.Address, (ulong)(backend.Address + (nint)backend.Size));
}
