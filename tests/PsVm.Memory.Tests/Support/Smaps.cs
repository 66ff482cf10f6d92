using System.Globalization;

namespace PsVm.Memory.Tests.Support;

/// <summary>A mapping as /proc/self/smaps shows it.</summary>
internal sealed record SmapsEntry(ulong Start, ulong End, string Protection, IReadOnlyDictionary<string, string> Fields)
{
    public IReadOnlyList<string> Flags => Fields["VmFlags"].Split(' ', StringSplitOptions.RemoveEmptyEntries);

    public long Kilobytes(string field) => long.Parse(Fields[field].Split(' ')[0], CultureInfo.InvariantCulture);

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
                var range = words[0].Split('-').Select(n => ulong.Parse(n, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture)).ToArray();
                entries.Add(new(range[0], range[1], words[1], fields));
            }
        }

        return entries.FindAll(e => e.Start < end && e.End > start);
    }

    public static List<SmapsEntry> Of(MemoryBackend backend) =>
        Within((ulong)backend.Address, (ulong)(backend.Address + (nint)backend.Size));
}
