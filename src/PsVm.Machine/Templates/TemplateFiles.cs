using Microsoft.Win32.SafeHandles;
using PsVm.Memory;
using PsVm.Memory.Files;

namespace PsVm.Machine.Templates;

/// <summary>
/// Files of a template, each open once for all who hold it: it is opened when nobody has it, or when the file changed since. Safe from any
/// thread.
/// </summary>
/// <param name="count">How many there are at most.</param>
internal sealed class TemplateFiles<T>(int count)
    where T : HeldFile
{
    private static readonly TimeSpan s_patience = TimeSpan.FromMilliseconds(50);

    private readonly object _gate = new();
    private readonly T?[] _open = new T?[count];

    /// <summary>The open file of a part, held for the caller.</summary>
    /// <param name="index">Its number.</param>
    /// <param name="part">What was recorded of it.</param>
    /// <param name="take">Makes the file of one that was opened, which is its own from then on, also when it fails.</param>
    /// <param name="verify">Read all of it in any case.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="GuestException">The file is not what was recorded.</exception>
    public T Hold(int index, TemplatePart part, Func<SafeFileHandle, T> take, bool verify, CancellationToken cancellation)
    {
        while (!Monitor.TryEnter(_gate, s_patience))
        {
            cancellation.ThrowIfCancellationRequested(); // whoever has it may be reading all of a copy
        }

        try
        {
            if (_open[index] is { } open && open.TryHold())
            {
                if (!verify && open.Identity is { } now && RamFileCheck.IsKnown(part, now))
                {
                    return open;
                }

                open.Release();
            }

            return _open[index] = take(RamFileCheck.OpenChecked(part, verify, cancellation));
        }
        finally
        {
            Monitor.Exit(_gate);
        }
    }
}
