namespace PsVm.Benchmarks;

/// <summary>What a soaked guest has said so far: lines <c>B name seconds checksum</c> for units of work, <c>K text</c> for what its
/// kernel complained of.</summary>
internal sealed class SoakLog
{
    private readonly Dictionary<string, string> _checksums = [];
    private readonly Dictionary<string, int> _units = [];
    private readonly List<string> _wrong = [];
    private string _rest = "";

    /// <summary>Units done.</summary>
    public int Units => _units.Values.Sum();

    /// <summary>Units done, by kind.</summary>
    public IReadOnlyDictionary<string, int> UnitsByKind => _units;

    /// <summary>The lines of units whose checksum is not that of the first of their kind, or that failed.</summary>
    public IReadOnlyList<string> Wrong => _wrong;

    /// <summary>The kernel's complaints.</summary>
    public List<string> Complaints { get; } = [];

    /// <summary>Takes what came on the console since; the last line may still grow.</summary>
    public void Add(string text)
    {
        string[] lines = (_rest + text).Split('\n');
        _rest = lines[^1];
        foreach (string line in lines[..^1].Select(line => line.TrimEnd('\r')))
        {
            if (line.StartsWith("K ", StringComparison.Ordinal))
            {
                Complaints.Add(line[2..]);
            }
            else if (line.Split(' ') is ["B", string kind, _, string checksum])
            {
                AddUnit(kind, checksum, line);
            }
        }
    }

    private void AddUnit(string kind, string checksum, string line)
    {
        _units[kind] = _units.GetValueOrDefault(kind) + 1;
        if (checksum == "failed" || (!_checksums.TryAdd(kind, checksum) && _checksums[kind] != checksum))
        {
            _wrong.Add(line);
        }
    }
}
