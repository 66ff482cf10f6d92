namespace PsVm.Machine.Board.Slots;

/// <summary>Names of what is in slots, which roles and templates are made of.</summary>
internal static class SlotNames
{
    /// <summary>Whether something could have a name: letters, digits, '-', '.' and '_'.</summary>
    /// <param name="name">The name.</param>
    /// <param name="longest">The most letters that it may have.</param>
    public static bool IsName(string name, int longest) => name.Length > 0 && name.Length <= longest
        && name.All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '-' or '.' or '_');

    /// <summary>The first of PREFIX0, PREFIX1 and so on that is free.</summary>
    /// <param name="prefix">How they begin.</param>
    /// <param name="taken">Those that are not.</param>
    public static string FirstFree(string prefix, IReadOnlyCollection<string?> taken) =>
        Enumerable.Range(0, taken.Count + 1).Select(number => $"{prefix}{number}").First(name => !taken.Contains(name));

    /// <summary>Names as a message lists them.</summary>
    public static string List(IEnumerable<string> names) => string.Join(", ", names) is { Length: > 0 } some ? some : "none";
}
