using System.Buffers.Binary;
using System.Text;

namespace PsVm.Machine.Tests.Devices.Folders;

/// <summary>A request that is put together.</summary>
internal sealed class P9Message
{
    private readonly List<byte> _bytes = [0, 0, 0, 0, 0, 0, 0];

    public P9Message Byte(byte value) => Bytes([value]);

    public P9Message Short(ushort value) => Bytes(BitConverter.GetBytes(value));

    public P9Message Int(uint value) => Bytes(BitConverter.GetBytes(value));

    public P9Message Long(ulong value) => Bytes(BitConverter.GetBytes(value));

    public P9Message Text(string text) => Text(Encoding.UTF8.GetBytes(text));

    public P9Message Text(ReadOnlySpan<byte> text) => Short((ushort)text.Length).Bytes(text);

    public P9Message Bytes(ReadOnlySpan<byte> bytes)
    {
        _bytes.AddRange(bytes);
        return this;
    }

    public byte[] Finish(byte kind, ushort tag)
    {
        byte[] message = [.. _bytes];
        BinaryPrimitives.WriteInt32LittleEndian(message, message.Length);
        message[4] = kind;
        BinaryPrimitives.WriteUInt16LittleEndian(message.AsSpan(5), tag);
        return message;
    }
}
