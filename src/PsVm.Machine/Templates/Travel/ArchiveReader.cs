using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;
using Mono.Unix.Native;
using PsVm.Memory.Copying;

namespace PsVm.Machine.Templates.Travel;

/// <summary>
/// Reads an archive of templates: the descriptions first, then the states, then RAM and disks, each as the list at its beginning says.
/// </summary>
internal sealed class ArchiveReader : IDisposable
{
    private const int ChunkSize = 1 << 20;
    private const int LongestNumber = 19;

    private static readonly byte[] s_magic = [0x28, 0xb5, 0x2f, 0xfd]; // of zstd, RFC 8878

    private readonly ArchiveTar _tar;
    private readonly byte[] _buffer = new byte[ChunkSize];

    private ArchiveReader(string path, SafeFileHandle file)
    {
        Path = path;
        Mode = TemplateFile.ModeOf(file);
        _tar = new ArchiveTar(path, new FileStream(file, FileAccess.Read, bufferSize: 0));
        try
        {
            Index = ArchiveIndex.Read(path, ReadSmall(ArchiveIndex.FileName, null, ArchiveIndex.MostBytes));
            Templates = [.. Index.Templates.Select(ReadDescription)];
            for (int i = 0; i < Templates.Count; i++)
            {
                CheckParent(i);
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Its path.</summary>
    public string Path { get; }

    /// <summary>Who may read it.</summary>
    public FilePermissions Mode { get; }

    /// <summary>What is in it.</summary>
    public ArchiveIndex Index { get; }

    /// <summary>The templates, of which the first was exported, and each other one is needed by the one before.</summary>
    public IReadOnlyList<GuestTemplate> Templates { get; }

    /// <summary>Opens an archive, and reads what its templates are.</summary>
    /// <param name="path">Its path.</param>
    /// <exception cref="GuestException">There is none, or none that this version reads.</exception>
    public static ArchiveReader Open(string path)
    {
        SafeFileHandle? file = null;
        try
        {
            file = TemplateFile.Open(path, follow: true);
            byte[] magic = new byte[s_magic.Length];
            if (RandomAccess.Read(file, magic, 0) < magic.Length || !magic.SequenceEqual(s_magic))
            {
                throw ArchiveErrors.Invalid(path, "templates", "that it is not compressed with zstd");
            }

            return new ArchiveReader(path, file);
        }
        catch (Exception failure)
        {
            file?.Dispose();
            throw failure switch
            {
                FileNotFoundException => ArchiveErrors.NotFound(path, failure),
                IOException or UnauthorizedAccessException => ArchiveErrors.Unreadable(path, failure),
                _ => failure,
            };
        }
    }

    /// <summary>Reads the machine state of a template; those of all, in order.</summary>
    /// <param name="template">Number of the template.</param>
    /// <exception cref="GuestException">The archive is damaged.</exception>
    public byte[] ReadState(int template)
    {
        ArchivedFolder folder = Index.Templates[template];
        return ReadSmall($"{folder.Name}/{TemplateSource.StateFileName}", folder.State, TemplateSource.MostStateBytes);
    }

    /// <summary>Reads a large file; all of a template, in order, and then those of the next.</summary>
    /// <param name="template">Number of the template.</param>
    /// <param name="part">Number of the file.</param>
    /// <param name="target">A new, empty file; null: it is not wanted.</param>
    /// <param name="advance">Told of bytes of data that are done with.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="GuestException">The archive is damaged, or holds another size than it says.</exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public void ReadPart(int template, int part, SafeFileHandle? target, Action<long> advance, CancellationToken cancellation)
    {
        ArchivedFolder folder = Index.Templates[template];
        ArchivedRam file = folder.Parts[part];
        ArchiveEntry entry = Next($"{folder.Name}/{TemplatePart.Of(Templates[template])[part].Name}");
        if (entry.SparseSize != file.Size)
        {
            throw _tar.Invalid($"'{entry.Name}' with holes, of {file.Size} bytes", $"{entry.SparseSize ?? entry.Length} bytes");
        }

        (List<(long Offset, long Length)> data, long mapBytes) = ReadMap(entry, file);
        if (entry.Length != mapBytes + file.DataBytes)
        {
            throw _tar.Invalid($"{file.DataBytes} bytes of data in '{entry.Name}'", $"{entry.Length - mapBytes}");
        }

        if (target is not null)
        {
            RandomAccess.SetLength(target, file.Size);
        }

        foreach ((long offset, long length) in data)
        {
            for (long done = 0; done < length;)
            {
                cancellation.ThrowIfCancellationRequested();
                Span<byte> chunk = _buffer.AsSpan(0, (int)Math.Min(ChunkSize, length - done));
                _tar.Read(chunk);
                if (target is not null)
                {
                    SparseFile.WriteNonZero(target, chunk, offset + done, punch: false);
                }

                done += chunk.Length;
                advance(chunk.Length);
            }
        }
    }

    /// <summary>Reads the end, up to which the archive must be whole.</summary>
    /// <exception cref="GuestException">It is damaged, or there is more.</exception>
    public void ReadEnd()
    {
        if (_tar.Next() is { } more)
        {
            throw _tar.Invalid("nothing but what it lists", $"'{VisibleText.Of(more.Name)}'");
        }

        _tar.ReadEnd();
    }

    /// <inheritdoc/>
    public void Dispose() => _tar.Dispose();

    private GuestTemplate ReadDescription(ArchivedFolder folder)
    {
        string name = $"{folder.Name}/{TemplateSource.ManifestFile}";
        string shown = $"{Path}: {name}";
        GuestTemplate template = TemplateManifest.Read(shown, ReadSmall(name, folder.Description, TemplateSource.MostManifestBytes))
            .ToTemplate($"/{folder.Name}");
        TemplatePart[] parts = TemplatePart.Of(template);
        bool isListed = parts.Select(part => part.Size).SequenceEqual(folder.Parts.Select(file => file.Size))
            && template.RamBlocks.Count == folder.Ram.Count;
        bool isOwn = parts.All(part => part.InTemplate && System.IO.Path.GetFileName(part.File) == part.Name);
        bool hasDigests = parts.All(part => part.Digest is not null);
        return isListed && isOwn && hasDigests
            ? template
            : throw _tar.Invalid(
                $"a template in '{folder.Name}' whose RAM and disks are listed, in files of its own with digests", "another");
    }

    private void CheckParent(int template)
    {
        if (template + 1 < Templates.Count && Templates[template].Parent?.Id != Templates[template + 1].Id)
        {
            throw _tar.Invalid(
                $"behind '{Index.Templates[template].Name}' the template that it needs", $"'{Index.Templates[template + 1].Name}'");
        }
    }

    /// <summary>The next entry, which must have a name.</summary>
    private ArchiveEntry Next(string name)
    {
        ArchiveEntry? entry = _tar.Next();
        return entry?.Name == name ? entry.Value
            : throw _tar.Invalid($"'{name}'", entry is { } other ? $"'{VisibleText.Of(other.Name)}'" : "its end");
    }

    private byte[] ReadSmall(string name, ArchivedFile? listed, int most)
    {
        ArchiveEntry entry = Next(name);
        long size = listed?.Size ?? entry.Length;
        if (entry.SparseSize is not null || entry.Length != size || size > most)
        {
            throw _tar.Invalid($"'{name}' of {(listed is null ? $"at most {most}" : size)} bytes", $"{entry.Length}");
        }

        byte[] bytes = new byte[size];
        _tar.Read(bytes);
        return listed is null || Convert.ToHexStringLower(SHA256.HashData(bytes)) == listed.Sha256
            ? bytes
            : throw ArchiveErrors.Damaged(Path, $"another SHA-256 of '{name}' than it lists");
    }

    /// <summary>Reads which parts of a file are data.</summary>
    /// <returns>The parts, and the bytes that said so.</returns>
    private (List<(long Offset, long Length)> Data, long MapBytes) ReadMap(ArchiveEntry entry, ArchivedRam file)
    {
        Span<byte> block = _buffer.AsSpan(0, ArchiveTar.BlockSize);
        long mapBytes = 0;
        int at = block.Length;
        long count = NextNumber(block);
        if (count > ArchiveIndex.MostRanges + 1)
        {
            throw _tar.Invalid($"at most {ArchiveIndex.MostRanges} stretches of data in '{entry.Name}'", $"{count}");
        }

        List<(long, long)> data = [];
        long end = 0, sum = 0;
        for (long i = 0; i < count; i++)
        {
            long offset = NextNumber(block), length = NextNumber(block);
            bool isEnd = i == count - 1 && length == 0 && offset == file.Size;
            if (!isEnd && (offset < end || length == 0 || offset % ArchivedRam.PageSize != 0 || length % ArchivedRam.PageSize != 0
                || length > file.Size || offset > file.Size - length))
            {
                throw _tar.Invalid($"stretches of data in order and within '{entry.Name}'", $"{length} bytes at {offset}");
            }

            if (!isEnd)
            {
                data.Add((offset, length));
                (end, sum) = (offset + length, sum + length);
            }
        }

        return sum == file.DataBytes && !block[at..].ContainsAnyExcept((byte)0)
            ? (data, mapBytes)
            : throw _tar.Invalid($"{file.DataBytes} bytes of data in '{entry.Name}'", $"{sum}");

        long NextNumber(Span<byte> block)
        {
            long number = 0;
            for (int digits = 0; ; digits++)
            {
                if (at == block.Length)
                {
                    _tar.Read(block);
                    mapBytes += block.Length;
                    at = 0;
                }

                byte next = block[at++];
                if (next == '\n' && digits > 0 && number >= 0)
                {
                    return number;
                }

                if (next is < (byte)'0' or > (byte)'9' || digits == LongestNumber)
                {
                    throw _tar.Invalid($"numbers before the data of '{entry.Name}'", "something else");
                }

                number = (number * 10) + (next - '0');
            }
        }
    }
}
