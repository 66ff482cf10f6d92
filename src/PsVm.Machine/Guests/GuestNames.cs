namespace PsVm.Machine.Guests;

/// <summary>What a guest may be called.</summary>
internal static class GuestNames
{
    /// <summary>Most characters.</summary>
    public const int MostCharacters = 63;

    /// <summary>Whether it is made of what names are made of, and of so many characters at most.</summary>
    public static bool IsName(string name, int mostCharacters) => name.Length >= 1 && name.Length <= mostCharacters
        && char.IsAsciiLetterOrDigit(name[0])
        && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '.' or '_');

    /// <summary>
    /// Refuses what is no name: 1 to 63 of ASCII letters, digits, <c>-</c>, <c>.</c> and <c>_</c>, the first one a letter or digit.
    /// </summary>
    /// <exception cref="GuestException">It is none.</exception>
    public static void Check(string name)
    {
        if (!IsName(name, MostCharacters))
        {
            string found = name.Length == 0 ? "an empty one"
                : name.Length > MostCharacters ? $"one of {name.Length} characters"
                : $"'{VisibleText.Of(name)}'";
            throw new GuestException(
                GuestErrorIds.GuestNameInvalid,
                $"Expected a guest's name of 1 to {MostCharacters} letters, digits, '-', '.' and '_' that begins with a letter or digit, "
                    + $"found {found}.",
                VisibleText.Of(name),
                "Choose another name, such as web-1.");
        }
    }
}
