using System.Runtime.InteropServices;

namespace PsVm.Memory.Native;

/// <summary>Waits for descriptors (poll(2)). For one thread; the descriptors stay open meanwhile.</summary>
public sealed class Poller
{
    private const short HangUp = 0x2000; // POLLRDHUP; POLLHUP and POLLERR come unasked

    private readonly List<LibC.PollDescriptor> _descriptors = [];

    /// <summary>Waits for none from now on.</summary>
    public void Clear() => _descriptors.Clear();

    /// <summary>Waits for another one.</summary>
    /// <param name="handle">The descriptor.</param>
    /// <param name="endOnly">Only for the other end of a socket to go; else for something to be read, too.</param>
    public void Add(SafeHandle handle, bool endOnly = false)
    {
        ArgumentNullException.ThrowIfNull(handle);
        _descriptors.Add(
            new LibC.PollDescriptor { Descriptor = (int)handle.DangerousGetHandle(), Wanted = endOnly ? HangUp : LibC.PollIn });
    }

    /// <summary>Waits until something has happened to one of them.</summary>
    /// <param name="milliseconds">The longest; -1: as long as it takes.</param>
    /// <returns>False: nothing has, or a signal came.</returns>
    public unsafe bool Wait(int milliseconds)
    {
        fixed (LibC.PollDescriptor* all = CollectionsMarshal.AsSpan(_descriptors))
        {
            return LibC.Poll(all, (nuint)_descriptors.Count, milliseconds) > 0;
        }
    }

    /// <summary>Whether something has happened to one of them, by its place.</summary>
    public bool Happened(int place) => _descriptors[place].Found != 0;

    /// <summary>Waits for one thing of one descriptor.</summary>
    internal static unsafe bool WaitFor(SafeHandle handle, short wanted, int milliseconds)
    {
        LibC.PollDescriptor one = new() { Descriptor = (int)handle.DangerousGetHandle(), Wanted = wanted };

        // A signal is as good as an event: who waits looks again.
        return LibC.Poll(&one, 1, milliseconds) != 0;
    }
}
