using System.Globalization;
using System.Text;
using ZstdSharp;
using ZstdSharp.Unsafe;

namespace PsVm.Machine.Templates.Travel;

/// <summary>An entry of a tar archive.</summary>
/// <param name="Name">Its path in the archive.</param>
/// <param name="Length">Bytes that are stored.</param>
/// <param name="SparseSize">Size of the file when only its data is stored; null: it is stored as it is.</param>
internal readonly record struct ArchiveEntry(string Name, long Length, long? SparseSize);

/// <summary>
/// Reads a tar archive of regular files, compressed with zstd, from its beginning to its end. Nothing is believed that it says: no
/// memory is taken by what a header promises, and anything but regular files ends the reading.
/// </summary>
/// <remarks>
/// Not System.Formats.Tar, which writes these archives: its reader allocates what an extended header says that it has, and gives files with
/// holes as they are stored, or not, by its version. Source: POSIX.1-2017, pax, "pax Interchange Format"; GNU tar manual, "PAX Format,
/// Version 1.0".
/// </remarks>
internal sealed class ArchiveTar : IDisposable
{
    /// <summary>Everything in a tar archive is padded to whole blocks of so many bytes.</summary>
    public const int BlockSize = 512;

    private const int MostAttributeBytes = 1 << 14;
    private const int MostEndBytes = 1 << 16;
    private const int InputSize = 1 << 17;

    // zstd's own limit for streams of unknown origin: more would be memory that an archive asks for.
    private const int LargestWindow = 27;

    private readonly string _archive;
    private readonly DecompressionStream _stream;
    private readonly byte[] _block = new byte[BlockSize];
    private long _left;
    private long _padding;

    /// <param name="archive">The archive's path, for errors.</param>
    /// <param name="file">The archive, which is closed with this.</param>
    public ArchiveTar(string archive, Stream file)
    {
        _archive = archive;
        _stream = new DecompressionStream(file, InputSize, checkEndOfStream: true, leaveOpen: false);
        _stream.SetParameter(ZSTD_dParameter.ZSTD_d_windowLogMax, LargestWindow);
    }

    /// <summary>Goes on to the next entry; the content of the one before must have been read.</summary>
    /// <returns>Null: there is none.</returns>
    /// <exception cref="GuestException">The archive is damaged, or none, or holds something else than regular files.</exception>
    public ArchiveEntry? Next()
    {
        if (_left != 0)
        {
            throw new InvalidOperationException("the content of the entry before was not read");
        }

        ReadPadding();
        Dictionary<string, string> attributes = [];
        while (true)
        {
            Fill(_block);
            if (IsZero(_block))
            {
                return attributes.Count == 0 ? null : throw Invalid("an entry", "the end behind its extended header");
            }

            CheckHeader();
            char type = (char)_block[156];
            long length = Number(124, 12);
            if (type == 'x' && attributes.Count == 0)
            {
                attributes = ReadAttributes(length);
                continue;
            }

            string name = attributes.GetValueOrDefault("GNU.sparse.name") ?? attributes.GetValueOrDefault("path") ?? HeaderName();
            if (type is not ('0' or '\0'))
            {
                throw Invalid("regular files", $"{Describe(type)} '{VisibleText.Of(name)}'");
            }

            length = attributes.TryGetValue("size", out string? size) ? Number(size) : length;
            (_left, _padding) = (length, -length & (BlockSize - 1));
            return new ArchiveEntry(name, length, SparseSize(attributes));
        }
    }

    /// <summary>Reads some of the entry's content.</summary>
    /// <param name="bytes">Filled to its end.</param>
    /// <exception cref="GuestException">The entry has less, or the archive is damaged.</exception>
    public void Read(Span<byte> bytes)
    {
        if (bytes.Length > _left)
        {
            throw Invalid("an entry of the size that it should have", "a shorter one");
        }

        Fill(bytes);
        _left -= bytes.Length;
    }

    /// <summary>Reads what is behind the last entry: zeros, and not many.</summary>
    /// <exception cref="GuestException">There is something else, or the archive is damaged.</exception>
    public void ReadEnd()
    {
        for (int done = 0; ReadSome(_block) is var read and > 0; done += read)
        {
            if (done > MostEndBytes || !IsZero(_block.AsSpan(0, read)))
            {
                throw Invalid("nothing behind the last entry", "more");
            }
        }
    }

    /// <summary>Something in the archive is not what it may be.</summary>
    public GuestException Invalid(string expected, string found) => ArchiveErrors.Invalid(_archive, expected, found);

    /// <inheritdoc/>
    public void Dispose() => _stream.Dispose();

    private void ReadPadding()
    {
        Span<byte> padding = _block.AsSpan(0, (int)_padding);
        _padding = 0;
        Fill(padding);
        if (!IsZero(padding))
        {
            throw Invalid("zeros behind an entry", "something else");
        }
    }

    private void Fill(Span<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            int read = ReadSome(bytes);
            bytes = read > 0 ? bytes[read..] : throw ArchiveErrors.Damaged(_archive, "it ends too early");
        }
    }

    private int ReadSome(Span<byte> bytes)
    {
        try
        {
            return _stream.Read(bytes);
        }
        catch (ZstdException wrong) when (wrong.Code is ZSTD_ErrorCode.ZSTD_error_frameParameter_windowTooLarge)
        {
            throw ArchiveErrors.Invalid(_archive, $"a window of at most {1 << LargestWindow} bytes", wrong.Message, wrong);
        }
        catch (Exception wrong) when (wrong is ZstdException or EndOfStreamException)
        {
            throw ArchiveErrors.Damaged(_archive, wrong.Message, wrong);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw ArchiveErrors.Unreadable(_archive, failure);
        }
    }

    private void CheckHeader()
    {
        // The sum of all bytes, those of the sum itself counted as spaces.
        long expected = Number(148, 8), sum = 8 * ' ';
        for (int i = 0; i < BlockSize; i++)
        {
            sum += i is >= 148 and < 156 ? 0 : _block[i];
        }

        if (sum != expected || !_block.AsSpan(257, 6).SequenceEqual("ustar\0"u8))
        {
            throw Invalid("a tar archive", "something else");
        }
    }

    private Dictionary<string, string> ReadAttributes(long length)
    {
        if (length is <= 0 or > MostAttributeBytes)
        {
            throw Invalid($"an extended header of 1 to {MostAttributeBytes} bytes", $"{length}");
        }

        byte[] bytes = new byte[length];
        Fill(bytes);
        _padding = -length & (BlockSize - 1);
        ReadPadding();
        Dictionary<string, string> attributes = [];
        for (ReadOnlySpan<byte> rest = bytes; !rest.IsEmpty;)
        {
            // "LENGTH KEY=VALUE\n", where the length is that of all of it.
            int space = rest.IndexOf((byte)' ');
            if (space <= 0 || !int.TryParse(rest[..space], NumberStyles.None, CultureInfo.InvariantCulture, out int all)
                || all <= space + 1 || all > rest.Length || rest[all - 1] != '\n')
            {
                throw Invalid("an extended header", "something else");
            }

            ReadOnlySpan<byte> record = rest[(space + 1)..(all - 1)];
            int equals = record.IndexOf((byte)'=');
            if (equals <= 0
                || !attributes.TryAdd(Encoding.UTF8.GetString(record[..equals]), Encoding.UTF8.GetString(record[(equals + 1)..])))
            {
                throw Invalid("an extended header that says each thing once", "another");
            }

            rest = rest[all..];
        }

        return attributes;
    }

    private long? SparseSize(Dictionary<string, string> attributes)
    {
        if (!attributes.Keys.Any(key => key.StartsWith("GNU.sparse.", StringComparison.Ordinal)))
        {
            return null;
        }

        bool isKnown = attributes.GetValueOrDefault("GNU.sparse.major") == "1" && attributes.GetValueOrDefault("GNU.sparse.minor") == "0"
            && attributes.ContainsKey("GNU.sparse.name") && attributes.ContainsKey("GNU.sparse.realsize");
        return isKnown
            ? Number(attributes["GNU.sparse.realsize"])
            : throw Invalid("files with holes in version 1.0 of GNU's format", "another");
    }

    private string HeaderName()
    {
        string name = Text(0, 100), prefix = Text(345, 155);
        return prefix.Length > 0 ? $"{prefix}/{name}" : name;
    }

    private string Text(int offset, int length)
    {
        ReadOnlySpan<byte> field = _block.AsSpan(offset, length);
        int end = field.IndexOf((byte)0);
        return Encoding.UTF8.GetString(end < 0 ? field : field[..end]);
    }

    /// <summary>A number in a header: octal digits, then spaces or zeros.</summary>
    private long Number(int offset, int length)
    {
        ReadOnlySpan<byte> digits = _block.AsSpan(offset, length).TrimEnd([(byte)0, (byte)' ']);
        long number = 0;
        foreach (byte digit in digits)
        {
            number = digit is >= (byte)'0' and <= (byte)'7'
                ? (number << 3) | (uint)(digit - '0')
                : throw Invalid("an octal number in a header", "none");
        }

        return number;
    }

    private long Number(string text) => long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long number)
        ? number
        : throw Invalid("a size in an extended header", "none");

    private static bool IsZero(ReadOnlySpan<byte> bytes) => !bytes.ContainsAnyExcept((byte)0);

    private static string Describe(char type) => type switch
    {
        '1' => "a hard link",
        '2' => "a symbolic link",
        '3' or '4' => "a device",
        '5' => "a folder",
        '6' => "a FIFO",
        _ => "an entry of another kind",
    };
}
