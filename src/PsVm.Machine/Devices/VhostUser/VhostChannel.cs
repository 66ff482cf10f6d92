using System.Buffers.Binary;
using Microsoft.Win32.SafeHandles;
using PsVm.Memory.Native;

namespace PsVm.Machine.Devices.VhostUser;

/// <summary>
/// Messages of vhost-user over one connection: a request, and what is answered. Nothing that comes is believed: number, flags, length and
/// descriptors of each answer are compared with what the request may be answered with, and all has to come within a time.
/// </summary>
/// <remarks>One thread at a time. Source: QEMU, docs/interop/vhost-user.rst, "Message Specification".</remarks>
/// <param name="socket">The connection, its own from here on.</param>
/// <param name="patience">The longest that an answer may take now.</param>
internal sealed class VhostChannel(DescriptorSocket socket, Func<TimeSpan> patience) : IDisposable
{
    /// <summary>Bytes of a message before its content.</summary>
    public const int HeaderSize = 12;

    /// <summary>The most bytes of content that any answer has.</summary>
    public const int MostContent = 512;

    private const uint Version = 1, VersionMask = 3, IsReply = 4, WantsReply = 8;

    /// <summary>Requests that are not answered are acknowledged (VHOST_USER_PROTOCOL_F_REPLY_ACK).</summary>
    public bool Acknowledges { get; set; }

    /// <summary>The connection, to be waited for.</summary>
    public DescriptorSocket Socket => socket;

    /// <summary>Asks for something, and checks that it was done where that is agreed on.</summary>
    /// <exception cref="VhostException">It was not, or the other end is gone.</exception>
    public void Tell(VhostRequest request, ReadOnlySpan<byte> content, params ReadOnlySpan<SafeFileHandle> descriptors)
    {
        long deadline = Deadline();
        Send(request, Acknowledges, content, descriptors, deadline);
        if (!Acknowledges)
        {
            return;
        }

        Span<byte> answer = stackalloc byte[sizeof(ulong)];
        if (Receive(request, answer, null, deadline) is var length and not sizeof(ulong))
        {
            throw Wrong(request, "an acknowledgement of 8 bytes", $"{length}");
        }

        if (BinaryPrimitives.ReadUInt64LittleEndian(answer) is var refused and not 0)
        {
            throw new VhostException($"it refuses {request} (0x{refused:x})");
        }
    }

    /// <summary>Tells a number.</summary>
    /// <exception cref="VhostException">As of <see cref="Tell"/>.</exception>
    public void TellNumber(VhostRequest request, ulong number)
    {
        Span<byte> content = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(content, number);
        Tell(request, content);
    }

    /// <summary>Asks for a number.</summary>
    /// <exception cref="VhostException">The answer is something else, or the other end is gone.</exception>
    public ulong AskNumber(VhostRequest request)
    {
        Span<byte> answer = stackalloc byte[sizeof(ulong)];
        Ask(request, [], answer);
        return BinaryPrimitives.ReadUInt64LittleEndian(answer);
    }

    /// <summary>Asks for bytes.</summary>
    /// <param name="request">What is asked for.</param>
    /// <param name="content">What comes with it.</param>
    /// <param name="answer">Takes the answer, which has to be as long.</param>
    /// <exception cref="VhostException">The answer is something else, or the other end is gone.</exception>
    public void Ask(VhostRequest request, ReadOnlySpan<byte> content, Span<byte> answer)
    {
        long deadline = Deadline();
        Send(request, false, content, [], deadline);
        ExpectLength(request, answer.Length, Receive(request, answer, null, deadline));
    }

    /// <summary>Asks for bytes with a descriptor.</summary>
    /// <returns>The descriptor, which is the caller's.</returns>
    /// <exception cref="VhostException">As of <see cref="Ask"/>.</exception>
    public SafeFileHandle AskForDescriptor(VhostRequest request, ReadOnlySpan<byte> content, Span<byte> answer)
    {
        long deadline = Deadline();
        Send(request, false, content, [], deadline);
        List<SafeFileHandle> descriptors = [];
        try
        {
            ExpectLength(request, answer.Length, Receive(request, answer, descriptors, deadline));
            if (descriptors is not [SafeFileHandle only])
            {
                throw Wrong(request, "one descriptor", $"{descriptors.Count}");
            }

            descriptors.Clear();
            return only;
        }
        finally
        {
            descriptors.ForEach(descriptor => descriptor.Dispose());
        }
    }

    /// <inheritdoc/>
    public void Dispose() => socket.Dispose();

    private static void ExpectLength(VhostRequest request, int expected, int found)
    {
        if (found != expected)
        {
            throw Wrong(request, $"{expected} bytes", $"{found}");
        }
    }

    private static VhostException Wrong(VhostRequest request, string expected, string found) =>
        new($"expected {expected} in answer to {request}, found {found}");

    private long Deadline() => Environment.TickCount64 + (long)patience().TotalMilliseconds;

    private void Send(
        VhostRequest request, bool wantsReply, ReadOnlySpan<byte> content, ReadOnlySpan<SafeFileHandle> descriptors, long deadline)
    {
        Span<byte> message = stackalloc byte[HeaderSize + content.Length];
        BinaryPrimitives.WriteUInt32LittleEndian(message, (uint)request);
        BinaryPrimitives.WriteUInt32LittleEndian(message[4..], Version | (wantsReply ? WantsReply : 0));
        BinaryPrimitives.WriteInt32LittleEndian(message[8..], content.Length);
        content.CopyTo(message[HeaderSize..]);
        try
        {
            socket.Send(message, descriptors, deadline);
        }
        catch (Exception failure) when (failure is IOException or ObjectDisposedException)
        {
            throw new VhostException($"{request}: {failure.Message}", failure);
        }
    }

    /// <summary>Receives an answer.</summary>
    /// <param name="request">What it has to be an answer to.</param>
    /// <param name="content">Takes what it says.</param>
    /// <param name="descriptors">Gets what comes with it; null: nothing may.</param>
    /// <param name="deadline">When it gives up.</param>
    /// <returns>Bytes that it says, at most as many as there is room for.</returns>
    private int Receive(VhostRequest request, Span<byte> content, List<SafeFileHandle>? descriptors, long deadline)
    {
        Span<byte> header = stackalloc byte[HeaderSize];
        List<SafeFileHandle> came = descriptors ?? [];
        try
        {
            socket.Receive(header, came, deadline);
            uint number = BinaryPrimitives.ReadUInt32LittleEndian(header);
            uint flags = BinaryPrimitives.ReadUInt32LittleEndian(header[4..]);
            uint length = BinaryPrimitives.ReadUInt32LittleEndian(header[8..]);
            if (number != (uint)request || (flags & (VersionMask | IsReply)) != (Version | IsReply))
            {
                throw Wrong(
                    request, $"a reply of version {Version} to request {(uint)request}", $"request {number} with flags 0x{flags:x}");
            }

            if (length > (uint)content.Length)
            {
                throw Wrong(request, $"at most {content.Length} bytes", $"{length}");
            }

            if (length > 0)
            {
                socket.Receive(content[..(int)length], came, deadline);
            }

            return descriptors is not null || came.Count == 0 ? (int)length : throw Wrong(request, "no descriptor", $"{came.Count}");
        }
        catch (Exception failure) when (failure is IOException or ObjectDisposedException)
        {
            throw new VhostException($"{request}: {failure.Message}", failure);
        }
        finally
        {
            if (descriptors is null)
            {
                came.ForEach(descriptor => descriptor.Dispose());
            }
        }
    }
}
