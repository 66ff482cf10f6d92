using PsVm.Machine.Board.Slots;
using PsVm.Machine.Devices.Disks;
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

    /// <summary>Has its disks read from a copy what they have read from the template that it is of.</summary>
    private void ReadDisksFrom(GuestTemplate copy)
    {
        try
        {
            TemplateSource source = TemplateSource.Open(copy.Path);
            foreach (Disk disk in Devices.All.OfType<DiskInSlot>().Select(slot => slot.Disk).Where(disk => disk.Layer is not null))
            {
                if (source.Template.Disks.FirstOrDefault(recorded => recorded.Name == disk.Name) is { } recorded
                    && source.DiskLayers.Hold(recorded, verify: false, CancellationToken.None) is { } layer)
                {
                    disk.MoveTo(layer);
                }
            }
        }
        catch (GuestException)
        {
            // The copy has gone already, or was changed: they read on where they did.
        }
    }

    /// <summary>
    /// Finds out whether its files are what it began from. Those that are being filled are: what is not there yet comes as it would have.
    /// </summary>
    private void CheckFiles()
    {
        if (_filled is not { IsWhole: false })
        {
            RamReset.Check(_ram, Name);
        }
    }
}
