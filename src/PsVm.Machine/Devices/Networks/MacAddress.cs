using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;
using PsVm.Memory.Native;

namespace PsVm.Machine.Devices.Networks;

/// <summary>An address of an adapter: 48 bits, the first byte of a frame's the highest.</summary>
/// <param name="Value">The bits.</param>
internal readonly record struct MacAddress(ulong Value)
{
    /// <summary>Bytes of one.</summary>
    public const int Size = 6;

    private const ulong Group = 1ul << 40, Local = 2ul << 40;

    /// <summary>It is one of several adapters: all, or those that listen to it.</summary>
    public bool IsGroup => (Value & Group) != 0;

    /// <summary>The address of the link that IPv6 makes of it. Source: RFC 4291, appendix A.</summary>
    public IPAddress LinkLocal
    {
        get
        {
            Span<byte> bytes = stackalloc byte[16];
            bytes.Clear();
            (bytes[0], bytes[1], bytes[11], bytes[12]) = (0xfe, 0x80, 0xff, 0xfe);
            Span<byte> own = stackalloc byte[Size];
            Write(own);
            own[..3].CopyTo(bytes[8..]);
            own[3..].CopyTo(bytes[13..]);
            bytes[8] ^= 2;
            return new IPAddress(bytes);
        }
    }

    /// <summary>An address that no maker gives, by chance.</summary>
    public static MacAddress Random()
    {
        Span<byte> bytes = stackalloc byte[Size];
        KernelCalls.FillRandom(bytes);
        return new((Read(bytes).Value & ~Group) | Local);
    }

    /// <summary>Reads one of a frame.</summary>
    public static MacAddress Read(ReadOnlySpan<byte> bytes) =>
        new(((ulong)BinaryPrimitives.ReadUInt16BigEndian(bytes) << 32) | BinaryPrimitives.ReadUInt32BigEndian(bytes[2..]));

    /// <summary>Reads <c>52:54:00:12:34:56</c>, or with hyphens; one of an adapter, so neither of several nor 0.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, out MacAddress address)
    {
        address = default;
        string[] parts = text?.Split(text.Contains('-', StringComparison.Ordinal) ? '-' : ':') ?? [];
        foreach (string part in parts)
        {
            if (part.Length != 2 || !byte.TryParse(part, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out byte value))
            {
                return false;
            }

            address = new((address.Value << 8) | value);
        }

        return parts.Length == Size && !address.IsGroup && address.Value != 0;
    }

    /// <summary>Writes it.</summary>
    public void Write(Span<byte> bytes)
    {
        BinaryPrimitives.WriteUInt16BigEndian(bytes, (ushort)(Value >> 32));
        BinaryPrimitives.WriteUInt32BigEndian(bytes[2..], (uint)Value);
    }

    /// <summary>As people write it: <c>52:54:00:12:34:56</c>.</summary>
    public override string ToString()
    {
        Span<byte> bytes = stackalloc byte[Size];
        Write(bytes);
        return string.Create(
            CultureInfo.InvariantCulture, $"{bytes[0]:x2}:{bytes[1]:x2}:{bytes[2]:x2}:{bytes[3]:x2}:{bytes[4]:x2}:{bytes[5]:x2}");
    }
}
