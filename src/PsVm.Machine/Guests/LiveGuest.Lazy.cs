using PsVm.Machine.Templates;

namespace PsVm.Machine.Guests;

/// <content>RAM that comes while it runs.</content>
internal sealed partial class LiveGuest
{
    /// <summary>Returns when all of its RAM is there and as its template recorded it.</summary>
    /// <param name="progress">Told how far that is; null: nobody asks.</param>
    /// <param name="cancellation">Gives up waiting.</param>
    /// <exception cref="GuestException">It has stopped, or the rest does not come.</exception>
    public void AwaitFilled(IProgress<StepProgress>? progress, CancellationToken cancellation) =>
        _filled?.AwaitComplete(progress, ThrowIfEnded, cancellation);

    /// <summary>Finds out whether its files are what it began from. Those that are being filled are: what is not there yet comes as it would have.</summary>
    private void CheckFiles()
    {
        if (_filled is not { IsWhole: false })
        {
            RamReset.Check(_ram, Name);
        }
    }
}
