using System.Runtime.InteropServices;

namespace PsVm.Machine.Devices.Networks;

/// <summary>
/// What guests leave to others, done for those who cannot leave it to the next: checksums. Segments are <see cref="FrameSegments"/>.
/// </summary>
internal static class FrameOffloads
{
    private const ushort ZeroSum = 0xffff; // of UDP, 0 means that there is none; where it does not, both are the same number

    /// <summary>Works out a frame's checksum, where it is left to others, and where that makes sense.</summary>
    /// <param name="header">What is before the frame.</param>
    /// <param name="frame">The frame.</param>
    /// <param name="place">Gets where in the frame the checksum is.</param>
    /// <param name="checksum">Gets the checksum, as it is to stand there in memory.</param>
    /// <returns>False: it lies outside of the frame, or is not left to others.</returns>
    public static bool TryChecksum(in PacketHeader header, ReadOnlySpan<byte> frame, out int place, out ushort checksum)
    {
        place = header.ChecksumStart + header.ChecksumOffset;
        if (!header.HasUnfinishedChecksum || place + sizeof(ushort) > frame.Length)
        {
            checksum = 0;
            return false;
        }

        checksum = InternetChecksum.Finish(InternetChecksum.Add(frame[header.ChecksumStart..]));
        checksum = checksum == 0 ? ZeroSum : checksum;
        return true;
    }

    /// <summary>Finishes a packet's checksum where that is left to others; nothing else of it changes.</summary>
    /// <param name="packet">Header and frame.</param>
    /// <returns>False: the packet makes no sense.</returns>
    public static bool TryFinishChecksum(Span<byte> packet)
    {
        if (packet.Length < INetworkBackend.HeaderSize)
        {
            return false;
        }

        PacketHeader header = PacketHeader.Read(packet);
        if (!header.HasUnfinishedChecksum)
        {
            return true;
        }

        Span<byte> frame = packet[INetworkBackend.HeaderSize..];
        if (!TryChecksum(header, frame, out int place, out ushort checksum))
        {
            return false;
        }

        MemoryMarshal.Write(frame[place..], checksum);
        (header with
        {
            Flags = (byte)(header.Flags & ~PacketHeader.NeedsChecksum), ChecksumStart = 0, ChecksumOffset = 0,
        }).Write(packet);
        return true;
    }
}
