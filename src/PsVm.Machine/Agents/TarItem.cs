using System.Text;

namespace PsVm.Machine.Agents;

/// <summary>
/// A file or link of an archive that a guest's tar has written, or what stands for it. .NET's reader takes the memory that an archive asks
/// for.
/// </summary>
/// <param name="Name">Its path, without <c>./</c> before it.</param>
/// <param name="Kind">What it is, as the archive says: <c>0</c> a file, <c>1</c> the same file as another, <c>2</c> a link.</param>
/// <param name="Link">Where a link leads; the path of the other file.</param>
/// <param name="IsProgram">Its owner may run it.</param>
/// <param name="Content">A file's bytes.</param>
internal readonly record struct TarItem(string Name, char Kind, string Link, bool IsProgram, ReadOnlyMemory<byte> Content)
{
    /// <summary>A file.</summary>
    public const char File = '0';

    /// <summary>A second name of a file.</summary>
    public const char SameFile = '1';

    /// <summary>A symbolic link.</summary>
    public const char SymbolicLink = '2';

    private const int Block = 512;
    private const char LongName = 'L', LongLink = 'K'; // GNU's, which busybox writes, too

    /// <summary>Reads an archive up to its end, or to where it makes no sense.</summary>
    public static IEnumerable<TarItem> Read(ReadOnlyMemory<byte> archive)
    {
        string? longName = null, longLink = null;
        while (archive.Length >= Block && archive.Span[0] != 0)
        {
            ReadOnlyMemory<byte> header = archive[..Block];
            archive = archive[Block..];
            if (!TryReadOctal(header.Span[124..136], out int size) || size > archive.Length)
            {
                yield break;
            }

            ReadOnlyMemory<byte> content = archive[..size];
            archive = archive[Math.Min((size + Block - 1) / Block * Block, archive.Length)..];
            char kind = (char)header.Span[156];
            if (kind is LongName or LongLink)
            {
                _ = kind == LongName ? longName = TextOf(content.Span) : longLink = TextOf(content.Span);
                continue;
            }

            string name = longName ?? NameOf(header.Span);
            string link = longLink ?? TextOf(header.Span[157..257]);
            (longName, longLink) = (null, null);
            bool isProgram = TryReadOctal(header.Span[100..108], out int mode) && (mode & 0b001_000_000) != 0;
            yield return new TarItem(WithoutDot(name), kind == '\0' ? File : kind, link, isProgram, content);
        }
    }

    /// <summary>A path as this archive has it, without what stands for the folder.</summary>
    public static string WithoutDot(string path) => path.StartsWith("./", StringComparison.Ordinal) ? path[2..] : path;

    private static string NameOf(ReadOnlySpan<byte> header)
    {
        string name = TextOf(header[..100]);
        string before = header.Slice(257, 6).SequenceEqual("ustar\0"u8) ? TextOf(header.Slice(345, 155)) : string.Empty;
        return before.Length == 0 ? name : $"{before}/{name}";
    }

    private static string TextOf(ReadOnlySpan<byte> bytes)
    {
        int end = bytes.IndexOf((byte)0);
        return Encoding.UTF8.GetString(end < 0 ? bytes : bytes[..end]);
    }

    private static bool TryReadOctal(ReadOnlySpan<byte> text, out int value)
    {
        value = 0;
        foreach (byte digit in text.Trim(" \0"u8))
        {
            if (digit is < (byte)'0' or > (byte)'7' || value >= 1 << 27)
            {
                return false;
            }

            value = (value << 3) | (digit - '0');
        }

        return true;
    }
}
