using System.Diagnostics;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Mono.Unix.Native;

namespace PsVm.Memory.Native;

/// <summary>
/// A Unix stream socket over which descriptors go with bytes (SCM_RIGHTS; unix(7)), with a time limit for all. One thread at a time sends
/// and receives; <see cref="Cut"/> is safe from any.
/// </summary>
/// <param name="socket">A connected socket, its own from here on.</param>
public sealed class DescriptorSocket(Socket socket) : IDisposable
{
    /// <summary>The most descriptors that a message brings.</summary>
    public const int MostDescriptors = 8;

    // struct cmsghdr is 16 bytes on the ABIs of LibC, and data are laid out in words of 8.
    private const int ControlHeaderSize = 16;
    private const int ControlSize = ControlHeaderSize + (MostDescriptors * sizeof(int));

    /// <summary>The socket, to be waited for.</summary>
    public SafeHandle Handle => socket.SafeHandle;

    /// <summary>Sends bytes, the descriptors with the first of them.</summary>
    /// <param name="bytes">At least one.</param>
    /// <param name="descriptors">At most <see cref="MostDescriptors"/>; they stay the caller's.</param>
    /// <param name="deadline">When it gives up, as <see cref="Environment.TickCount64"/>.</param>
    /// <exception cref="IOException">The other end has gone, or does not read.</exception>
    public unsafe void Send(ReadOnlySpan<byte> bytes, ReadOnlySpan<SafeFileHandle> descriptors, long deadline)
    {
        byte* control = stackalloc byte[ControlSize];
        nuint length = WriteControl(control, descriptors);
        while (!bytes.IsEmpty)
        {
            Wait(LibC.PollOut, deadline);
            fixed (byte* start = bytes)
            {
                LibC.IoVector vector = new() { Start = (ulong)start, Length = (ulong)bytes.Length };
                LibC.MessageHeader message = new()
                {
                    Vectors = &vector, VectorCount = 1, Control = length == 0 ? null : control, ControlLength = length,
                };
                nint sent = LibC.SendMsg((int)socket.SafeHandle.DangerousGetHandle(), &message, LibC.MsgDontWait | LibC.MsgNoSignal);
                Check(Errors.Of(sent), "sendmsg");
                bytes = bytes[(int)Math.Max(sent, 0)..];
                length = sent > 0 ? 0 : length;
            }
        }
    }

    /// <summary>Receives as many bytes as there is room for.</summary>
    /// <param name="bytes">Takes them, all of it.</param>
    /// <param name="descriptors">Gets the descriptors that came with them, which are the caller's, also when this fails.</param>
    /// <param name="deadline">When it gives up, as <see cref="Environment.TickCount64"/>.</param>
    /// <exception cref="IOException">The other end has gone, sends nothing, or sends more descriptors than one may.</exception>
    public unsafe void Receive(Span<byte> bytes, ICollection<SafeFileHandle> descriptors, long deadline)
    {
        // Aligned: the kernel writes a cmsghdr there.
        ulong* control = stackalloc ulong[(ControlSize + sizeof(ulong) - 1) / sizeof(ulong)];
        while (!bytes.IsEmpty)
        {
            Wait(LibC.PollIn, deadline);
            fixed (byte* start = bytes)
            {
                LibC.IoVector vector = new() { Start = (ulong)start, Length = (ulong)bytes.Length };
                LibC.MessageHeader message = new() { Vectors = &vector, VectorCount = 1, Control = control, ControlLength = ControlSize };
                nint got = LibC.RecvMsg((int)socket.SafeHandle.DangerousGetHandle(), &message, LibC.MsgDontWait | LibC.MsgCmsgCloexec);
                Errno error = Errors.Of(got);
                if (got >= 0)
                {
                    ReadControl((byte*)control, (int)message.ControlLength, descriptors);
                }

                Check(error, "recvmsg");
                if (got == 0)
                {
                    throw new IOException("the other end has closed the connection");
                }

                if ((message.Flags & LibC.MsgControlTruncated) != 0 || descriptors.Count > MostDescriptors)
                {
                    throw new IOException($"more than {MostDescriptors} descriptors came at once");
                }

                bytes = bytes[(int)Math.Max(got, 0)..];
            }
        }
    }

    /// <summary>Ends the connection: whoever sends or receives finds that the other end has gone.</summary>
    public void Cut()
    {
        try
        {
            socket.Shutdown(SocketShutdown.Both);
        }
        catch (Exception gone) when (gone is SocketException or ObjectDisposedException)
        {
            // It has ended already.
        }
    }

    /// <summary>Ends what this end sends: the other end gets what was sent, and then finds that nothing more comes.</summary>
    public void CutWrites() => socket.Shutdown(SocketShutdown.Send);

    /// <inheritdoc/>
    public void Dispose() => socket.Dispose();

    private static unsafe nuint WriteControl(byte* control, ReadOnlySpan<SafeFileHandle> descriptors)
    {
        Debug.Assert(descriptors.Length <= MostDescriptors, "who sends counts them");
        if (descriptors.IsEmpty)
        {
            return 0;
        }

        nuint length = (nuint)(ControlHeaderSize + (descriptors.Length * sizeof(int)));
        *(LibC.ControlHeader*)control = new LibC.ControlHeader { Length = length, Level = LibC.SolSocket, Type = LibC.ScmRights };
        for (int i = 0; i < descriptors.Length; i++)
        {
            *(int*)(control + ControlHeaderSize + (i * sizeof(int))) = (int)descriptors[i].DangerousGetHandle();
        }

        return length;
    }

    private static unsafe void ReadControl(byte* control, int length, ICollection<SafeFileHandle> descriptors)
    {
        for (int at = 0; at + ControlHeaderSize <= length;)
        {
            LibC.ControlHeader header = *(LibC.ControlHeader*)(control + at);
            int end = (int)Math.Min((nuint)(length - at), header.Length);
            for (int data = ControlHeaderSize;
                header is { Level: LibC.SolSocket, Type: LibC.ScmRights } && data + sizeof(int) <= end;
                data += sizeof(int))
            {
                descriptors.Add(new SafeFileHandle(*(int*)(control + at + data), ownsHandle: true));
            }

            at += Math.Max(ControlHeaderSize, (end + 7) & ~7);
        }
    }

    // What may be tried again is no failure; the caller looks at how much was done.
    private static void Check(Errno error, string call)
    {
        if (error is not (0 or Errno.EINTR or Errno.EAGAIN))
        {
            throw new IOException(error is Errno.EPIPE or Errno.ECONNRESET
                ? "the other end has closed the connection"
                : $"{call}: {Errors.Describe(error)}");
        }
    }

    private void Wait(short wanted, long deadline)
    {
        long left = deadline - Environment.TickCount64;
        if (left <= 0 || !Poller.WaitFor(socket.SafeHandle, wanted, (int)left))
        {
            throw new IOException("the other end did not answer in time");
        }
    }
}
