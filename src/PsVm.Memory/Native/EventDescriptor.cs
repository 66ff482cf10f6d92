using Microsoft.Win32.SafeHandles;
using Mono.Unix.Native;

namespace PsVm.Memory.Native;

/// <summary>
/// A counter of the kernel's by which processes tell each other that something has happened (eventfd(2)). Safe from any thread.
/// </summary>
public sealed class EventDescriptor : IDisposable
{
    /// <summary>Makes one that nothing has happened to.</summary>
    /// <exception cref="IOException">The process has too many open files.</exception>
    public EventDescriptor()
    {
        int descriptor = LibC.EventFd(0, LibC.EventNonBlocking | LibC.EventCloexec);
        Handle = descriptor >= 0
            ? new SafeFileHandle(descriptor, ownsHandle: true)
            : throw new IOException($"eventfd: {Errors.Describe(Errors.Last)}");
    }

    /// <summary>The descriptor, to be handed to another process or waited for.</summary>
    public SafeFileHandle Handle { get; }

    /// <summary>Tells that something has happened; nothing once disposed.</summary>
    public void Signal() => Use(isRead: false);

    /// <summary>Takes what has happened: it has not, from now on.</summary>
    /// <returns>Something had.</returns>
    public bool Take() => Use(isRead: true);

    /// <inheritdoc/>
    public void Dispose() => Handle.Dispose();

    private unsafe bool Use(bool isRead)
    {
        bool held = false;
        try
        {
            Handle.DangerousAddRef(ref held);
            int descriptor = (int)Handle.DangerousGetHandle();
            ulong count = 1;
            nint done;
            do
            {
                done = isRead ? LibC.Read(descriptor, &count, sizeof(ulong)) : LibC.Write(descriptor, &count, sizeof(ulong));
            }
            while (Errors.Of(done) == Errno.EINTR);
            return done == sizeof(ulong);
        }
        catch (ObjectDisposedException)
        {
            return false;
        }
        finally
        {
            if (held)
            {
                Handle.DangerousRelease();
            }
        }
    }
}
