using PsVm.Module.Output;

namespace PsVm.Module.Hosting;

/// <summary>What the work of several cmdlets has in common.</summary>
internal static class CmdletWorks
{
    /// <summary>Does something for each item; an item's error is written and the next item's turn comes.</summary>
    public static void ForEach<T>(IEnumerable<T> items, ICmdletOutput output, Action<T> action, CancellationToken cancellation)
    {
        foreach (T item in items)
        {
            cancellation.ThrowIfCancellationRequested();
            try
            {
                action(item);
            }
            catch (PsVmException error)
            {
                output.WriteError(error);
            }
        }
    }

    /// <summary>Puts warnings of the core on the warning stream, each with its id.</summary>
    public static void WriteWarnings(this ICmdletOutput output, IEnumerable<BackendWarning> warnings)
    {
        foreach (BackendWarning warning in warnings)
        {
            output.WriteWarning($"[{warning.Id}] {warning.Message}");
        }
    }
}
