using System.Formats.Tar;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using ZstdSharp;

namespace PsVm.Machine.Tests.Templates.Travel;

/// <summary>An entry as it is stored.</summary>
internal sealed record RawEntry(string Name, byte[] Content, Dictionary<string, string> Attributes)
{
    public TarEntryType Type { get; init; } = TarEntryType.RegularFile;

    public string LinkName { get; init; } = string.Empty;
}

/// <summary>The entries of an archive, read and written with .NET's own tar, to be made something else of.</summary>
internal sealed class RawArchive(List<RawEntry> entries)
{
    public List<RawEntry> Entries { get; } = entries;

    public RawEntry this[string end] => Entries.Single(entry => entry.Name.EndsWith(end, StringComparison.Ordinal));

    public static byte[] Decompress(string path)
    {
        using DecompressionStream zstd = new(File.OpenRead(path), leaveOpen: false);
        using MemoryStream tar = new();
        zstd.CopyTo(tar);
        return tar.ToArray();
    }

    public static void Compress(string path, byte[] tar, Action<CompressionStream>? set = null)
    {
        using CompressionStream zstd = new(File.Create(path), 1, leaveOpen: false);
        set?.Invoke(zstd);
        zstd.Write(tar);
    }

    public static RawArchive Read(string path)
    {
        using TarReader tar = new(new MemoryStream(Decompress(path)));
        List<RawEntry> entries = [];
        while (tar.GetNextEntry(copyData: true) is PaxTarEntry entry)
        {
            using MemoryStream content = new();
            entry.DataStream?.CopyTo(content);
            entries.Add(new RawEntry(
                entry.Name,
                content.ToArray(),
                entry.ExtendedAttributes.Where(pair => pair.Key.StartsWith("GNU", StringComparison.Ordinal)).ToDictionary()));
        }

        return new RawArchive(entries);
    }

    public byte[] ToTar()
    {
        using MemoryStream stream = new();
        using (TarWriter tar = new(stream, TarEntryFormat.Pax, leaveOpen: true))
        {
            foreach (RawEntry entry in Entries)
            {
                PaxTarEntry written = new(entry.Type, entry.Name, entry.Attributes);
                if (entry.Type is TarEntryType.RegularFile)
                {
                    written.DataStream = new MemoryStream(entry.Content);
                }
                else if (entry.LinkName.Length > 0)
                {
                    written.LinkName = entry.LinkName;
                }

                tar.WriteEntry(written);
            }
        }

        return stream.ToArray();
    }

    public void Write(string path) => Compress(path, ToTar());

    /// <summary>Puts an entry in the place of another.</summary>
    public void Replace(string end, Func<RawEntry, RawEntry> with)
    {
        int at = Entries.IndexOf(this[end]);
        Entries[at] = with(Entries[at]);
    }

    /// <summary>Alters the list at its beginning.</summary>
    public void AlterIndex(Action<JsonNode> alter) =>
        Replace("archive.json", entry => entry with { Content = Altered(entry.Content, alter) });

    /// <summary>Alters a template's description, and what the list says of it.</summary>
    public void AlterDescription(Action<JsonNode> alter)
    {
        Replace("template.json", entry => entry with { Content = Altered(entry.Content, alter) });
        byte[] content = this["template.json"].Content;
        AlterIndex(index => index["templates"]![0]!["description"] = Listed(content));
    }

    /// <summary>What the list says of a small file.</summary>
    public static JsonNode Listed(byte[] content) =>
        new JsonObject { ["size"] = content.Length, ["sha256"] = Convert.ToHexStringLower(SHA256.HashData(content)) };

    /// <summary>Writes another map before the data of the RAM.</summary>
    public void Map(string map, byte[] data)
    {
        byte[] padded = new byte[(map.Length + 511) / 512 * 512];
        Encoding.ASCII.GetBytes(map, padded);
        Replace("ram0.bin", entry => entry with { Content = [.. padded, .. data] });
    }

    private static byte[] Altered(byte[] json, Action<JsonNode> alter)
    {
        JsonNode node = JsonNode.Parse(json)!;
        alter(node);
        return Encoding.UTF8.GetBytes(node.ToJsonString());
    }
}
