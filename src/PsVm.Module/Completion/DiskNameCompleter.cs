using PsVm.Module.Hosting;

namespace PsVm.Module.Completion;

/// <summary>Completes names of guests' disks: their sizes and images.</summary>
internal sealed class DiskNameCompleter : ValueCompleter
{
    /// <inheritdoc/>
    private protected override IEnumerable<Choice> Choices(string start) => ModuleServices.Guests.List()
        .SelectMany(guest => ModuleServices.Guests.GetDisks(guest.Reference))
        .DistinctBy(disk => disk.Name)
        .Select(disk => new Choice(disk.Name, $"{ByteSize.ToText(disk.Size)}, guest {disk.Guest}, {disk.Path}"));
}
