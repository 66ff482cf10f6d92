using PsVm.Module.Hosting;

namespace PsVm.Module.Completion;

/// <summary>Completes tags of guests' shared folders: which folder, and of which guest.</summary>
internal sealed class FolderTagCompleter : ValueCompleter
{
    /// <inheritdoc/>
    private protected override IEnumerable<Choice> Choices(string start) => ModuleServices.Guests.List()
        .SelectMany(guest => ModuleServices.Guests.SharedFolders.Get(guest.Reference))
        .DistinctBy(folder => folder.Tag)
        .Select(folder => new Choice(
            folder.Tag, $"{folder.Path ?? "no folder"}{(folder.ReadOnly ? ", read-only" : string.Empty)}, guest {folder.Guest}"));
}
