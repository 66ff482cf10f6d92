namespace PsVm.Module.Completion;

/// <summary>Offers nothing: for new names, numbers and texts, where PowerShell would offer files.</summary>
internal sealed class NothingCompleter : ValueCompleter
{
    /// <inheritdoc/>
    private protected override IEnumerable<Choice> Choices(string start) => [];
}
