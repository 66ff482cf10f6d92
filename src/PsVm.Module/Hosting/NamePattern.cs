using System.IO.Enumeration;

namespace PsVm.Module.Hosting;

/// <summary>Names and ids as operators give them to the Get cmdlets: exact, or with <c>*</c> and <c>?</c>.</summary>
internal static class NamePattern
{
    /// <summary>The text stands for any number of names, so that matching none is no error.</summary>
    public static bool IsPattern(string text) => text.AsSpan().ContainsAny('*', '?');

    /// <summary>The name is one of those the pattern stands for; case does not count.</summary>
    public static bool Matches(string pattern, string name) => FileSystemName.MatchesSimpleExpression(pattern, name, ignoreCase: true);
}
