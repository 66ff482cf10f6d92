using System.Text;
using System.Text.RegularExpressions;

namespace PsVm.Module.Hosting;

/// <summary>Names and ids as operators give them: exact, or with PowerShell's wildcards <c>*</c>, <c>?</c> and <c>[a-c]</c>.</summary>
/// <remarks>PowerShell's own WildcardPattern is not to be had in tests without PowerShell. Source: about_Wildcards.</remarks>
internal static class NamePattern
{
    /// <summary>The text stands for any number of names, so that matching none is no error.</summary>
    public static bool IsPattern(string text)
    {
        int bracket = text.IndexOf('[', StringComparison.Ordinal);
        return text.AsSpan().ContainsAny('*', '?') || (bracket >= 0 && text.IndexOf(']', bracket) > bracket + 1);
    }

    /// <summary>The name is one of those the pattern stands for; case does not count.</summary>
    public static bool Matches(string pattern, string name)
    {
        StringBuilder regex = new("^");
        for (int i = 0; i < pattern.Length; i++)
        {
            int end = pattern[i] == '[' ? pattern.IndexOf(']', i) : -1;
            if (end > i + 1)
            {
                regex.Append('[').Append(Regex.Escape(pattern[(i + 1)..end]).Replace("]", "\\]", StringComparison.Ordinal)).Append(']');
                i = end;
            }
            else
            {
                regex.Append(pattern[i] switch { '*' => ".*", '?' => ".", var other => Regex.Escape(other.ToString()) });
            }
        }

        try
        {
            return Regex.IsMatch(
                name,
                regex.Append('$').ToString(),
                RegexOptions.IgnoreCase | RegexOptions.CultureInvariant | RegexOptions.Singleline | RegexOptions.NonBacktracking);
        }
        catch (RegexParseException)
        {
            // A set such as [z-a]: it stands for nothing.
            return false;
        }
    }
}
