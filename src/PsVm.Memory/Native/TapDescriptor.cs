using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;
using Mono.Unix.Native;

namespace PsVm.Memory.Native;

/// <summary>
/// The end of a TAP device that a process has (tun(4)): whole frames, each after the header of VIRTIO 1.2, section 5.1.6. It never waits.
/// </summary>
public sealed class TapDescriptor : IDisposable
{
    /// <summary>Where the kernel gives such ends.</summary>
    public const string Clone = "/dev/net/tun";

    private const int NameSize = 16, RequestSize = 40; // IFNAMSIZ, struct ifreq
    private const int HeaderSize = 12;
    // TUNSETIFF, TUNSETOFFLOAD, TUNSETVNETHDRSZ.
    private const ulong SetDevice = 0x400454ca, SetOffload = 0x400454d0, SetHeaderSize = 0x400454d8;
    // IFF_TAP, _NO_PI, _VNET_HDR, _MULTI_QUEUE.
    private const ushort Tap = 2, NoInformation = 0x1000, Header = 0x4000, SeveralQueues = 0x100;
    private const int Checksums = 1, Tcp4 = 2, Tcp6 = 4, Ecn = 8; // TUN_F_CSUM and so on

    private readonly SafeFileHandle _handle;

    private TapDescriptor(SafeFileHandle handle) => _handle = handle;

    /// <summary>The descriptor, to be waited for.</summary>
    public SafeHandle Handle => _handle;

    /// <summary>Takes a device. Where there is none of the name, who may do so makes one: the caller looks before.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="hasSeveralQueues">It was made with more than one.</param>
    /// <param name="tap">Gets the end.</param>
    /// <returns>Why it cannot be had; 0: it can.</returns>
    public static Errno TryOpen(string name, bool hasSeveralQueues, out TapDescriptor? tap)
    {
        tap = null;
        SafeFileHandle handle = new(LibC.Open(Clone, LibC.OpenReadWrite | LibC.OpenCloexec | LibC.OpenNonBlocking), ownsHandle: true);
        if (handle.IsInvalid)
        {
            return Errors.Last;
        }

        Span<byte> request = stackalloc byte[RequestSize];
        request.Clear();
        _ = Encoding.ASCII.GetBytes(name.AsSpan(0, Math.Min(name.Length, NameSize - 1)), request);
        ushort flags = (ushort)(Tap | NoInformation | Header | (hasSeveralQueues ? SeveralQueues : 0));
        MemoryMarshal.Write(request[NameSize..], flags);
        Errno error = Errors.Of(LibC.IoctlBytes(handle, SetDevice, request));
        Span<byte> size = stackalloc byte[sizeof(int)];
        BinaryPrimitives.WriteInt32LittleEndian(size, HeaderSize);
        error = error == 0 ? Errors.Of(LibC.IoctlBytes(handle, SetHeaderSize, size)) : error;
        error = error == 0 ? Errors.Of(LibC.IoctlNumber(handle, SetOffload, Checksums | Tcp4 | Tcp6 | Ecn)) : error;
        if (error != 0)
        {
            handle.Dispose();
            return error;
        }

        tap = new TapDescriptor(handle);
        return 0;
    }

    /// <summary>Reads a packet.</summary>
    /// <param name="packet">Takes it.</param>
    /// <param name="count">Gets its bytes.</param>
    /// <returns>Why there is none; EAGAIN: none now.</returns>
    public Errno TryRead(Span<byte> packet, out int count) => Result(LibC.ReadFrom(_handle, packet, (nuint)packet.Length), out count);

    /// <summary>Writes a packet.</summary>
    /// <param name="packet">The packet.</param>
    /// <returns>Why it could not; 0: it could.</returns>
    public Errno TryWrite(ReadOnlySpan<byte> packet) => Result(LibC.WriteTo(_handle, packet, (nuint)packet.Length), out _);

    /// <inheritdoc/>
    public void Dispose() => _handle.Dispose();

    private static Errno Result(nint done, out int count)
    {
        count = (int)Math.Max(done, 0);
        return Errors.Of(done);
    }
}
