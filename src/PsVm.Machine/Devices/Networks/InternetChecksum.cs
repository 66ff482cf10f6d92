using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace PsVm.Machine.Devices.Networks;

/// <summary>
/// Sums of IP, TCP and UDP: of words of 16 bits in ones' complement. All is in the order of the bytes in memory, which the sum does not
/// depend on.
/// </summary>
/// <remarks>Source: RFC 1071.</remarks>
internal static class InternetChecksum
{
    /// <summary>Adds up bytes; one more than an even number of them counts as if a zero followed.</summary>
    /// <param name="bytes">At most 16 GiB, so that nothing overflows.</param>
    /// <param name="sum">What has been added up before, of an even number of bytes.</param>
    public static ulong Add(ReadOnlySpan<byte> bytes, ulong sum = 0)
    {
        if (Vector256.IsHardwareAccelerated && bytes.Length >= 2 * Vector256<byte>.Count)
        {
            ReadOnlySpan<Vector256<ulong>> vectors = MemoryMarshal.Cast<byte, Vector256<ulong>>(bytes);
            Vector256<ulong> low = Vector256.Create((ulong)uint.MaxValue);
            (Vector256<ulong> evens, Vector256<ulong> odds) = (Vector256<ulong>.Zero, Vector256<ulong>.Zero);
            foreach (ref readonly Vector256<ulong> vector in vectors)
            {
                evens += vector & low;
                odds += vector >>> 32;
            }

            sum = AddWord(AddWord(sum, Fold64(evens)), Fold64(odds));
            bytes = bytes[(vectors.Length * Vector256<byte>.Count)..];
        }

        for (; bytes.Length >= sizeof(ulong); bytes = bytes[sizeof(ulong)..])
        {
            sum = AddWord(sum, MemoryMarshal.Read<ulong>(bytes));
        }

        if (!bytes.IsEmpty)
        {
            Span<byte> last = stackalloc byte[sizeof(ulong)];
            last.Clear();
            bytes.CopyTo(last);
            sum = AddWord(sum, MemoryMarshal.Read<ulong>(last));
        }

        return sum;
    }

    /// <summary>Adds a number of 16 bits.</summary>
    public static ulong AddNumber(ulong sum, ushort number) =>
        AddWord(sum, BitConverter.IsLittleEndian ? BinaryPrimitives.ReverseEndianness(number) : number);

    /// <summary>The sum in 16 bits, complemented: a checksum, as it stands in memory.</summary>
    public static ushort Finish(ulong sum)
    {
        sum = (sum >> 32) + (sum & uint.MaxValue);
        sum = (sum >> 16) + (sum & ushort.MaxValue);
        sum = (sum >> 16) + (sum & ushort.MaxValue);
        sum = (sum >> 16) + (sum & ushort.MaxValue);
        return (ushort)~sum;
    }

    private static ulong Fold64(Vector256<ulong> lanes) => AddWord(AddWord(lanes[0], lanes[1]), AddWord(lanes[2], lanes[3]));

    // A carry out of 64 bits is worth as much as one out of 16.
    private static ulong AddWord(ulong sum, ulong word)
    {
        sum += word;
        return sum < word ? sum + 1 : sum;
    }
}
