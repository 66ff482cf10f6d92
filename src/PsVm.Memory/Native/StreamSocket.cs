using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Mono.Unix.Native;

namespace PsVm.Memory.Native;

/// <summary>
/// One end of a connection between this process and one that it starts (socketpair(2)). It never waits; the
/// descriptor itself may, which is what passt sends the rest of a frame by. One thread at a time sends, and one receives;
/// <see cref="Cut"/> is safe from any.
/// </summary>
public sealed class StreamSocket : IDisposable
{
    /// <summary>The most pieces of which <see cref="TrySend"/> takes bytes at once.</summary>
    public const int MostPieces = 4;

    private const int KernelRoom = 4 << 20; // Linux gives what it gives to anybody (wmem_max, 4 MiB or 208 KiB), and counts it twice

    private readonly SafeFileHandle _handle;

    private StreamSocket(int descriptor) => _handle = new SafeFileHandle(descriptor, ownsHandle: true);

    /// <summary>The descriptor, to be waited for, or handed to another process.</summary>
    public SafeHandle Handle => _handle;

    /// <summary>Makes both ends; a process that is started meanwhile gets neither.</summary>
    /// <exception cref="IOException">The process has too many open files.</exception>
    public static (StreamSocket One, StreamSocket Other) Pair()
    {
        Span<int> ends = stackalloc int[2];
        if (Errors.Of(LibC.SocketPair(LibC.FamilyUnix, LibC.SocketStream | LibC.SocketCloexec, 0, ends)) is var error and not 0)
        {
            throw new IOException($"socketpair: {Errors.Describe(error)}");
        }

        (StreamSocket one, StreamSocket other) = (new StreamSocket(ends[0]), new StreamSocket(ends[1]));
        foreach (StreamSocket end in (ReadOnlySpan<StreamSocket>)[one, other])
        {
            // Less room is as good, and slower.
            _ = LibC.SetSocketOption(end._handle, LibC.SolSocket, LibC.SoSendBuffer, KernelRoom, sizeof(int));
        }

        return (one, other);
    }

    /// <summary>Receives what is there.</summary>
    /// <param name="bytes">Takes it.</param>
    /// <returns>How many bytes; 0: there are none now.</returns>
    /// <exception cref="IOException">The other end has gone.</exception>
    public int TryReceive(Span<byte> bytes)
    {
        nint got = LibC.Receive(_handle, bytes, (nuint)bytes.Length, LibC.MsgDontWait);
        return got > 0 ? (int)got : got == 0 ? throw new IOException("the other end has closed the connection") : Nothing("recv");
    }

    /// <summary>Sends as many bytes as there is room for, of pieces one after the other.</summary>
    /// <param name="first">The first piece.</param>
    /// <param name="second">The second.</param>
    /// <param name="third">The third.</param>
    /// <param name="fourth">The fourth.</param>
    /// <returns>How many bytes; 0: there is no room now.</returns>
    /// <exception cref="IOException">The other end has gone.</exception>
    public unsafe int TrySend(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second, ReadOnlySpan<byte> third, ReadOnlySpan<byte> fourth)
    {
        fixed (byte* a = first, b = second, c = third, d = fourth)
        {
            LibC.IoVector* vectors = stackalloc LibC.IoVector[MostPieces]
            {
                new() { Start = (ulong)a, Length = (ulong)first.Length }, new() { Start = (ulong)b, Length = (ulong)second.Length },
                new() { Start = (ulong)c, Length = (ulong)third.Length }, new() { Start = (ulong)d, Length = (ulong)fourth.Length },
            };
            LibC.MessageHeader message = new() { Vectors = vectors, VectorCount = MostPieces };
            nint sent = LibC.SendMsgTo(_handle, &message, LibC.MsgDontWait | LibC.MsgNoSignal);
            return sent >= 0 ? (int)sent : Nothing("sendmsg");
        }
    }

    /// <summary>Ends the connection: whoever sends or receives finds that the other end has gone.</summary>
    public void Cut()
    {
        try
        {
            _ = LibC.Shutdown(_handle, LibC.ShutBoth);
        }
        catch (ObjectDisposedException)
        {
            // It has ended.
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _handle.Dispose();

    private static int Nothing(string call)
    {
        Errno error = Errors.Last;
        return error is Errno.EAGAIN or Errno.EINTR or Errno.ENOBUFS
            ? 0
            : throw new IOException(error is Errno.EPIPE or Errno.ECONNRESET
                ? "the other end has closed the connection"
                : $"{call}: {Errors.Describe(error)}");
    }
}
