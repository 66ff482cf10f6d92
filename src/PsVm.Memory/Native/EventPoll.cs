using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Mono.Unix.Native;

namespace PsVm.Memory.Native;

/// <summary>
/// Waits for many descriptors, of which others come and go meanwhile (epoll(7)): each tells once, and again when it is asked for again. One
/// thread waits; the rest is safe from any.
/// </summary>
public sealed class EventPoll : IDisposable
{
    // struct epoll_event is packed on x86 alone.
    private static readonly int s_size = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 12 : 16,
        s_tokenOffset = s_size - sizeof(ulong);

    private readonly SafeFileHandle _handle;
    private readonly byte[] _happenings = new byte[64 * s_size];

    /// <summary>Makes one that waits for nothing.</summary>
    /// <exception cref="IOException">The process has too many open files.</exception>
    public EventPoll()
    {
        int descriptor = LibC.EpollCreate(LibC.OpenCloexec);
        _handle = descriptor >= 0
            ? new SafeFileHandle(descriptor, ownsHandle: true)
            : throw new IOException($"epoll_create1: {Errors.Describe(Errors.Last)}");
    }

    /// <summary>Knows a descriptor from now on; nothing is waited for yet, but that it fails or its other end goes.</summary>
    /// <param name="handle">The descriptor.</param>
    /// <param name="token">What <see cref="Wait"/> calls it.</param>
    /// <exception cref="IOException">The kernel does not take it.</exception>
    public void Add(SafeHandle handle, ulong token)
    {
        if (Control(LibC.EpollAdd, handle, token, 0) is var error and not 0)
        {
            throw new IOException($"epoll_ctl: {Errors.Describe(error)}");
        }
    }

    /// <summary>Waits for a descriptor that is known, once: also when what is waited for has happened already.</summary>
    /// <param name="handle">The descriptor.</param>
    /// <param name="token">What <see cref="Wait"/> calls it.</param>
    /// <param name="reads">There is something to be read.</param>
    /// <param name="writes">There is room to write.</param>
    public void Arm(SafeHandle handle, ulong token, bool reads, bool writes) =>
        _ = Control(LibC.EpollModify, handle, token, (uint)((reads ? LibC.PollIn : 0) | (writes ? LibC.PollOut : 0)));

    /// <summary>Knows a descriptor no more; nothing when it is not known.</summary>
    public void Remove(SafeHandle handle) => _ = Control(LibC.EpollDelete, handle, 0, 0);

    /// <summary>Waits until something has happened.</summary>
    /// <param name="tokens">Gets what it has happened to.</param>
    /// <returns>How many; 0: a signal came.</returns>
    public int Wait(Span<ulong> tokens)
    {
        int count = LibC.EpollWait(_handle, _happenings, Math.Min(tokens.Length, _happenings.Length / s_size), -1);
        for (int i = 0; i < count; i++)
        {
            tokens[i] = BitConverter.ToUInt64(_happenings, (i * s_size) + s_tokenOffset);
        }

        return Math.Max(count, 0);
    }

    /// <inheritdoc/>
    public void Dispose() => _handle.Dispose();

    private Errno Control(int operation, SafeHandle handle, ulong token, uint wanted)
    {
        Span<byte> happening = stackalloc byte[s_size];
        happening.Clear();
        MemoryMarshal.Write(happening, wanted | LibC.EpollOneShot);
        MemoryMarshal.Write(happening[s_tokenOffset..], token);
        try
        {
            return Errors.Of(LibC.EpollControl(_handle, operation, handle, happening));
        }
        catch (ObjectDisposedException)
        {
            return Errno.EBADF;
        }
    }
}
