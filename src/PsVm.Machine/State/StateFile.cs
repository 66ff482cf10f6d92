using System.Buffers.Binary;
using System.Numerics;
using System.Text;

namespace PsVm.Machine.State;

/// <summary>A section of a template's machine state.</summary>
/// <param name="Name">Its type.</param>
/// <param name="Version">Version of its content.</param>
/// <param name="Content">Its content.</param>
internal sealed record StateSection(string Name, uint Version, ReadOnlyMemory<byte> Content);

/// <summary>The file <c>state.bin</c>: sections with lengths and checksums. Source: docs/template-format.md.</summary>
internal static class StateFile
{
    private const uint Version = 1;
    private const int NameSize = 16;
    private const int HeaderSize = 36;
    private const int SectionHeaderSize = NameSize + (3 * sizeof(uint));

    private static ReadOnlySpan<byte> Magic => "PsVmStat"u8;

    /// <summary>Puts sections together.</summary>
    /// <param name="template">The template's id.</param>
    /// <param name="sections">What it holds.</param>
    public static byte[] Write(Guid template, IReadOnlyList<StateSection> sections)
    {
        byte[] file = new byte[HeaderSize + sections.Sum(section => SectionHeaderSize + section.Content.Length)];
        Magic.CopyTo(file);
        BinaryPrimitives.WriteUInt32LittleEndian(file.AsSpan(8), Version);
        BinaryPrimitives.WriteUInt32LittleEndian(file.AsSpan(12), (uint)sections.Count);
        template.TryWriteBytes(file.AsSpan(16), bigEndian: true, out _);
        BinaryPrimitives.WriteUInt32LittleEndian(file.AsSpan(32), Checksum(file.AsSpan(0, 32)));
        Span<byte> rest = file.AsSpan(HeaderSize);
        foreach (StateSection section in sections)
        {
            Encoding.ASCII.GetBytes(section.Name, rest[..NameSize]);
            BinaryPrimitives.WriteUInt32LittleEndian(rest[NameSize..], section.Version);
            BinaryPrimitives.WriteUInt32LittleEndian(rest[(NameSize + 4)..], (uint)section.Content.Length);
            section.Content.Span.CopyTo(rest[SectionHeaderSize..]);
            BinaryPrimitives.WriteUInt32LittleEndian(rest[(NameSize + 8)..], SectionChecksum(rest, section.Content.Length));
            rest = rest[(SectionHeaderSize + section.Content.Length)..];
        }

        return file;
    }

    /// <summary>Whether something begins as such a file does.</summary>
    public static bool IsOne(ReadOnlySpan<byte> file) => file.StartsWith(Magic);

    /// <summary>Takes sections apart, and checks lengths and checksums.</summary>
    /// <param name="path">The file's path, for errors.</param>
    /// <param name="file">Its content.</param>
    /// <param name="template">The id of the template that it must belong to.</param>
    /// <exception cref="GuestException">It is cut off, altered, another template's, or of a newer version.</exception>
    public static IReadOnlyList<StateSection> Read(string path, ReadOnlyMemory<byte> file, Guid template)
    {
        ReadOnlySpan<byte> header = file.Span;
        if (header.Length < HeaderSize || !header.StartsWith(Magic))
        {
            throw Corrupt(path, $"a machine state of at least {HeaderSize} bytes", $"{header.Length} bytes that are none");
        }

        uint version = BinaryPrimitives.ReadUInt32LittleEndian(header[8..]);
        if (version > Version)
        {
            throw NewerVersion(path, "the machine state", version, Version);
        }

        Guid owner = new(header.Slice(16, 16), bigEndian: true);
        if (BinaryPrimitives.ReadUInt32LittleEndian(header[32..]) != Checksum(header[..32]))
        {
            throw Corrupt(path, "a header with its checksum", "another checksum");
        }

        if (owner != template)
        {
            throw Corrupt(path, $"the machine state of template {template}", $"that of template {owner}");
        }

        uint count = BinaryPrimitives.ReadUInt32LittleEndian(header[12..]);
        List<StateSection> sections = [];
        ReadOnlyMemory<byte> rest = file[HeaderSize..];
        for (uint i = 0; i < count; i++)
        {
            ReadOnlySpan<byte> bytes = rest.Span;
            string where = $"section {i + 1} of {count}";
            if (bytes.Length < SectionHeaderSize)
            {
                throw Corrupt(path, $"{where}, with a header of {SectionHeaderSize} bytes", $"{bytes.Length} bytes");
            }

            uint length = BinaryPrimitives.ReadUInt32LittleEndian(bytes[(NameSize + 4)..]);
            if (length > bytes.Length - SectionHeaderSize)
            {
                throw Corrupt(path, $"{where}, of {length} bytes", $"{bytes.Length - SectionHeaderSize} bytes");
            }

            if (BinaryPrimitives.ReadUInt32LittleEndian(bytes[(NameSize + 8)..]) != SectionChecksum(bytes, (int)length))
            {
                throw Corrupt(path, $"{where}, with its checksum", "another checksum");
            }

            sections.Add(new StateSection(
                Encoding.ASCII.GetString(bytes[..NameSize]).TrimEnd('\0'),
                BinaryPrimitives.ReadUInt32LittleEndian(bytes[NameSize..]),
                rest.Slice(SectionHeaderSize, (int)length)));
            rest = rest[(SectionHeaderSize + (int)length)..];
        }

        return rest.IsEmpty ? sections : throw Corrupt(path, $"{count} sections and no more", $"{rest.Length} bytes after them");
    }

    /// <summary>Something is of a newer version than this one knows.</summary>
    public static GuestException NewerVersion(string path, string what, uint found, uint known) => new(
        GuestErrorIds.TemplateVersionUnsupported,
        $"Expected {what} in '{path}' to be of format version {known} or older, found version {found}.",
        path,
        "Use a newer version of PsVm, or make the template again with this one.");

    /// <summary>The error for a state that is not as it was written.</summary>
    public static GuestException Corrupt(string path, string expected, string found, Exception? inner = null) => new(
        GuestErrorIds.TemplateStateCorrupt,
        $"Expected in '{path}' {expected}, found {found}.",
        path,
        "Take the template from a backup, or make it again.",
        inner);

    private static uint SectionChecksum(ReadOnlySpan<byte> section, int length) =>
        Checksum(section.Slice(SectionHeaderSize, length), Checksum(section[..(NameSize + 8)]));

    /// <summary>CRC-32C, as iSCSI has it (RFC 3720, section 12.1).</summary>
    internal static uint Checksum(ReadOnlySpan<byte> bytes, uint before = 0)
    {
        uint crc = ~before;
        foreach (byte value in bytes)
        {
            crc = BitOperations.Crc32C(crc, value);
        }

        return ~crc;
    }
}
