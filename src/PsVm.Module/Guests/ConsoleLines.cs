namespace PsVm.Module.Guests;

/// <summary>Cuts console text that arrives in pieces into lines, whether they end in CR LF or in LF.</summary>
internal sealed class ConsoleLines
{
    private string _rest = string.Empty;

    /// <summary>Takes a piece of text.</summary>
    /// <returns>The lines that it completes.</returns>
    public IReadOnlyList<string> Add(string text)
    {
        string[] parts = (_rest + text).Split('\n');
        _rest = parts[^1];
        return [.. parts[..^1].Select(line => line.TrimEnd('\r'))];
    }

    /// <summary>Takes out what follows the last line feed, such as a prompt; null when nothing does.</summary>
    public string? TakeRest()
    {
        string rest = _rest.TrimEnd('\r');
        _rest = string.Empty;
        return rest.Length == 0 ? null : rest;
    }
}
