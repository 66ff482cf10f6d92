using System.Buffers.Binary;
using System.Text;
using PsVm.Machine.Board;
using PsVm.Machine.Devices;

namespace PsVm.Machine.Tests.Support;

/// <summary>Reads a flattened device tree back: properties by path, such as <c>/cpus/cpu@0/reg</c>.</summary>
internal sealed class DeviceTree
{
    private readonly Dictionary<string, byte[]> _properties = [];

    public DeviceTree(byte[] blob)
    {
        Assert.Equal(0xd00dfeedu, Cell(blob, 0));
        Assert.Equal((uint)blob.Length, Cell(blob, 4));
        Assert.Equal((17u, 16u), (Cell(blob, 20), Cell(blob, 24)));
        int strings = (int)Cell(blob, 12);
        int at = (int)Cell(blob, 8);
        Assert.Equal((uint)(strings - at), Cell(blob, 36));
        Stack<string> path = [];
        while (true)
        {
            switch (Cell(blob, at))
            {
                case 1:
                    string name = Text(blob, at + 4);
                    path.Push(path.TryPeek(out string? parent) ? $"{parent}{name}/" : "/");
                    at += 4 + Padded(name.Length + 1);
                    break;
                case 2:
                    path.Pop();
                    at += 4;
                    break;
                case 3:
                    int length = (int)Cell(blob, at + 4);
                    _properties.Add(path.Peek() + Text(blob, strings + (int)Cell(blob, at + 8)), blob[(at + 12)..(at + 12 + length)]);
                    at += 12 + Padded(length);
                    break;
                case 9:
                    Assert.Empty(path);
                    Assert.Equal(strings, at + 4);
                    return;
                default:
                    Assert.Fail($"unknown token at {at}");
                    break;
            }
        }
    }

    public bool Has(string path) => _properties.ContainsKey(path);

    public byte[] Bytes(string path) => _properties[path];

    public uint[] Cells(string path) =>
        [.. Enumerable.Range(0, _properties[path].Length / 4).Select(index => Cell(_properties[path], index * 4))];

    public string[] Texts(string path) => Encoding.UTF8.GetString(_properties[path]).TrimEnd('\0').Split('\0');

    public ulong Wide(string path) => BinaryPrimitives.ReadUInt64BigEndian(_properties[path]);

    public AddressRange Reg(string node) =>
        new(Wide($"{node}/reg"), BinaryPrimitives.ReadUInt64BigEndian(_properties[$"{node}/reg"].AsSpan(8)));

    private static uint Cell(byte[] bytes, int at) => BinaryPrimitives.ReadUInt32BigEndian(bytes.AsSpan(at));

    private static string Text(byte[] bytes, int at) => Encoding.UTF8.GetString(bytes, at, Array.IndexOf(bytes, (byte)0, at) - at);

    private static int Padded(int length) => (length + 3) & ~3;
}
