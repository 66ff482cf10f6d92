using System.Text;

namespace PsVm.Machine.Agents;

/// <summary>
/// What is in a folder of a guest, as the guest says. A path of it is relative to the folder, goes downwards only, and its folder stands
/// before it.
/// </summary>
internal sealed class GuestListing
{
    /// <summary>Bytes that a small file has less than; many of them come in one answer.</summary>
    public const int SmallBytes = (32 << 10) + 1;

    /// <summary>What the list's end says of a path that is no folder, and of one that is nothing.</summary>
    public const int IsNoFolder = 67, IsNothing = 66;

    /// <summary>Bytes of a path at most, as in Linux; and letters of one that is shown.</summary>
    public const int MostPath = 4095;

    // More folders in each other have no use, and every step of a path is a call of the host's kernel.
    private const int MostDepth = 256;
    private const int MostName = 255;

    // Each list behind a name that no path has.
    private const string Text = """
        cd "$1" 2>/dev/null || { [ -e "$1" ] && exit 67; exit 66; }
        find . -type d -print0; printf '\0'
        find . -type l -print0; printf '\0'
        find . -type f -size -"$2"c -print0; printf '\0'
        find . -type f ! -size -"$2"c ! -perm -100 -print0; printf '\0'
        find . -type f ! -size -"$2"c -perm -100 -print0; printf '\0'
        find . ! -type d ! -type l ! -type f -print0; printf '\0'
        """;

    private static readonly UTF8Encoding s_strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private GuestListing()
    {
    }

    /// <summary>Folders, each behind the one that it is in; not the folder itself.</summary>
    public List<string> Folders { get; } = [];

    /// <summary>Links.</summary>
    public List<string> Links { get; } = [];

    /// <summary>Files that were smaller than <see cref="SmallBytes"/>.</summary>
    public List<string> Small { get; } = [];

    /// <summary>Larger ones.</summary>
    public List<string> Large { get; } = [];

    /// <summary>Larger ones that can be run.</summary>
    public List<string> Programs { get; } = [];

    /// <summary>What is none of these, or cannot be named; fit for a terminal.</summary>
    public List<string> Skipped { get; } = [];

    /// <summary>What makes the list.</summary>
    /// <param name="path">The folder.</param>
    public static GuestCommand Command(string path) => GuestCommand.Shell(Text, path, $"{SmallBytes}");

    /// <summary>Reads the list.</summary>
    /// <param name="text">What the guest wrote.</param>
    /// <returns>Null: it is none that find could have made.</returns>
    public static GuestListing? TryRead(ReadOnlySpan<byte> text)
    {
        GuestListing listing = new();
        List<string>[] lists = [listing.Folders, listing.Links, listing.Small, listing.Large, listing.Programs, listing.Skipped];
        HashSet<string> folders = new(StringComparer.Ordinal), seen = new(StringComparer.Ordinal);
        int list = 0;
        while (!text.IsEmpty)
        {
            int end = text.IndexOf((byte)0);
            if (end < 0 || list == lists.Length)
            {
                return null;
            }

            ReadOnlySpan<byte> path = text[..end];
            text = text[(end + 1)..];
            if (path.IsEmpty)
            {
                list++;
            }
            else if (path.SequenceEqual("."u8) && list == 0)
            {
                folders.Add(string.Empty);
            }
            else if (!IsDownwards(path))
            {
                return null;
            }
            else if (NameOf(path[2..]) is not { } name)
            {
                listing.Skipped.Add(VisibleText.LineOf(Encoding.UTF8.GetString(path[2..]), MostPath));
            }
            else if (!seen.Add(name) || !folders.Contains(name[..Math.Max(name.LastIndexOf('/'), 0)]) || lists[list] == listing.Skipped)
            {
                // The guest goes on meanwhile: something may be there twice, or in a folder that was not there before.
                listing.Skipped.Add(VisibleText.LineOf(name, MostPath));
            }
            else
            {
                lists[list].Add(name);
                _ = list > 0 || folders.Add(name);
            }
        }

        return list == lists.Length && folders.Contains(string.Empty) ? listing : null;
    }

    private static string? NameOf(ReadOnlySpan<byte> path)
    {
        try
        {
            return s_strict.GetString(path);
        }
        catch (DecoderFallbackException)
        {
            return null;
        }
    }

    private static bool IsDownwards(ReadOnlySpan<byte> path)
    {
        if (!path.StartsWith("./"u8) || path.Length > MostPath)
        {
            return false;
        }

        int depth = 0;
        foreach (Range part in path[2..].Split((byte)'/'))
        {
            ReadOnlySpan<byte> name = path[2..][part];
            if (name.IsEmpty || name.Length > MostName || name.SequenceEqual("."u8) || name.SequenceEqual(".."u8) || ++depth > MostDepth)
            {
                return false;
            }
        }

        return true;
    }
}
