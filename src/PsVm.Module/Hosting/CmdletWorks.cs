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

    /// <summary>Writes what is found out about all items in one go; where one of them fails, about each of the others alone.</summary>
    /// <param name="items">The items.</param>
    /// <param name="look">Finds it out, in the order of its items.</param>
    /// <param name="output">An error goes there for each item that fails alone.</param>
    /// <param name="cancellation">Gives up.</param>
    public static void TogetherOrEach<T, TResult>(
        IReadOnlyList<T> items, Func<IReadOnlyList<T>, IReadOnlyList<TResult>> look, ICmdletOutput output, CancellationToken cancellation)
        where TResult : class
    {
        IReadOnlyList<TResult> found;
        try
        {
            found = look(items);
        }
        catch (PsVmException) when (items.Count > 1)
        {
            ForEach(items, output, item => output.WriteObject(look([item])[0]), cancellation);
            return;
        }

        foreach (TResult result in found)
        {
            output.WriteObject(result);
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
