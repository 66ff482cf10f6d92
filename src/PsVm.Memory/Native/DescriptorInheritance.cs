using System.Runtime.InteropServices;

namespace PsVm.Memory.Native;

/// <summary>Has a process that is started get a descriptor: .NET leaves it all those that are not closed on exec.</summary>
/// <remarks>
/// One process at a time is started so. One that others start at the very same time gets the descriptor too: who hands it over does not
/// count on having the only copy.
/// </remarks>
public static class DescriptorInheritance
{
    private const int CloseOnExec = 1; // FD_CLOEXEC

    private static readonly Lock s_gate = new();

    /// <summary>Starts something that gets a descriptor, under the number that it has here.</summary>
    /// <param name="handle">The descriptor; null: none.</param>
    /// <param name="start">Starts it.</param>
    public static T During<T>(SafeHandle? handle, Func<T> start)
    {
        ArgumentNullException.ThrowIfNull(start);
        lock (s_gate)
        {
            if (handle is null)
            {
                return start();
            }

            _ = LibC.FcntlOf(handle, LibC.SetDescriptorFlags, 0);
            try
            {
                return start();
            }
            finally
            {
                _ = LibC.FcntlOf(handle, LibC.SetDescriptorFlags, CloseOnExec);
            }
        }
    }
}
