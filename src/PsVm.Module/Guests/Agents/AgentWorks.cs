using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Guests.Agents;

/// <summary>What cmdlets have in common that ask agents of many guests at once.</summary>
internal static class AgentWorks
{
    /// <summary>Guests that are asked at once when the operator does not say.</summary>
    public const int Throttle = 32;

    /// <summary>Asks for something of each, so many at once, and hands on what comes as it comes; an error of one is its own.</summary>
    /// <param name="items">What is asked for.</param>
    /// <param name="throttle">How many are under way at once.</param>
    /// <param name="ask">Asks.</param>
    /// <param name="tell">Hands the answer on.</param>
    /// <param name="output">Errors go there.</param>
    /// <param name="cancellation">Gives up all of them; returns when they have ended.</param>
    public static void ForEach<T, TAnswer>(
        IReadOnlyList<T> items,
        int throttle,
        Func<T, Task<TAnswer>> ask,
        Action<T, TAnswer> tell,
        ICmdletOutput output,
        CancellationToken cancellation)
    {
        using SemaphoreSlim turns = new(throttle);
        List<Task<(T Item, Task<TAnswer> Answer)>> asked = [.. items.Select(AskInTurn)];
        CmdletWorks.ForEach(Task.WhenEach(asked).ToBlockingEnumerable(CancellationToken.None), output, done =>
        {
            (T item, Task<TAnswer> answer) = done.GetAwaiter().GetResult();
            tell(item, answer.GetAwaiter().GetResult());
        }, CancellationToken.None);
        cancellation.ThrowIfCancellationRequested();

        async Task<(T, Task<TAnswer>)> AskInTurn(T item)
        {
            await turns.WaitAsync(cancellation).ConfigureAwait(false);
            try
            {
                // Also what throws before it waits is the item's.
                Task<TAnswer> answer = Task.Run(() => ask(item), CancellationToken.None);
                await Task.WhenAny(answer).ConfigureAwait(false);
                return (item, answer);
            }
            finally
            {
                turns.Release();
            }
        }
    }
}
