using System.Buffers.Binary;
using System.Text;
using PsVm.Machine.Board;

namespace PsVm.Machine.Devices;

/// <summary>Writes a flattened device tree. Source: Devicetree specification 0.4, chapter 5.</summary>
internal sealed class DeviceTreeWriter
{
    private const uint Magic = 0xd00d_feed;
    private const uint Version = 17;
    private const uint LastCompatibleVersion = 16;
    private const int HeaderSize = 40;
    private const int ReservationMapSize = 16;

    private const uint BeginNodeToken = 1;
    private const uint EndNodeToken = 2;
    private const uint PropertyToken = 3;
    private const uint EndToken = 9;

    private readonly List<byte> _structure = [];
    private readonly List<byte> _strings = [];
    private readonly Dictionary<string, uint> _stringOffsets = [];

    /// <summary>Begins a node; the root's name is empty.</summary>
    public void BeginNode(string name)
    {
        AppendCell(_structure, BeginNodeToken);
        AppendText(_structure, name);
        Pad();
    }

    /// <summary>Ends the innermost node.</summary>
    public void EndNode() => AppendCell(_structure, EndNodeToken);

    /// <summary>A property without a value, which is true by being there.</summary>
    public void Property(string name) => Property(name, ReadOnlySpan<byte>.Empty);

    /// <summary>A property of 32-bit cells.</summary>
    public void Property(string name, params ReadOnlySpan<uint> cells)
    {
        byte[] value = new byte[cells.Length * 4];
        for (int i = 0; i < cells.Length; i++)
        {
            BinaryPrimitives.WriteUInt32BigEndian(value.AsSpan(i * 4), cells[i]);
        }

        Property(name, (ReadOnlySpan<byte>)value);
    }

    /// <summary>A property of texts.</summary>
    public void Property(string name, params ReadOnlySpan<string> texts)
    {
        List<byte> value = [];
        foreach (string text in texts)
        {
            AppendText(value, text);
        }

        Property(name, (ReadOnlySpan<byte>)value.ToArray());
    }

    /// <summary>A <c>reg</c> property of one range, in two address and two size cells.</summary>
    public void Reg(AddressRange range) => Property(
        "reg", (uint)(range.Start >> 32), (uint)range.Start, (uint)(range.Size >> 32), (uint)range.Size);

    /// <summary>A property of one 64-bit number.</summary>
    public void Property64(string name, ulong value) => Property(name, (uint)(value >> 32), (uint)value);

    /// <summary>A property of bytes.</summary>
    public void Property(string name, ReadOnlySpan<byte> value)
    {
        AppendCell(_structure, PropertyToken);
        AppendCell(_structure, (uint)value.Length);
        AppendCell(_structure, StringOffset(name));
        _structure.AddRange(value);
        Pad();
    }

    /// <summary>The finished blob.</summary>
    public byte[] ToBlob()
    {
        AppendCell(_structure, EndToken);
        uint structureOffset = HeaderSize + ReservationMapSize;
        uint stringsOffset = structureOffset + (uint)_structure.Count;
        List<byte> blob = [];
        AppendCell(blob, Magic);
        AppendCell(blob, stringsOffset + (uint)_strings.Count);
        AppendCell(blob, structureOffset);
        AppendCell(blob, stringsOffset);
        AppendCell(blob, HeaderSize);
        AppendCell(blob, Version);
        AppendCell(blob, LastCompatibleVersion);
        AppendCell(blob, 0); // the boot hart
        AppendCell(blob, (uint)_strings.Count);
        AppendCell(blob, (uint)_structure.Count);
        blob.AddRange(new byte[ReservationMapSize]); // no reservation but the entry that ends them
        blob.AddRange(_structure);
        blob.AddRange(_strings);
        return [.. blob];
    }

    private uint StringOffset(string name)
    {
        if (!_stringOffsets.TryGetValue(name, out uint offset))
        {
            offset = (uint)_strings.Count;
            _stringOffsets.Add(name, offset);
            AppendText(_strings, name);
        }

        return offset;
    }

    private static void AppendCell(List<byte> bytes, uint cell)
    {
        Span<byte> value = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(value, cell);
        bytes.AddRange(value);
    }

    private static void AppendText(List<byte> bytes, string text)
    {
        bytes.AddRange(Encoding.UTF8.GetBytes(text));
        bytes.Add(0);
    }

    private void Pad()
    {
        while (_structure.Count % 4 != 0)
        {
            _structure.Add(0);
        }
    }
}
