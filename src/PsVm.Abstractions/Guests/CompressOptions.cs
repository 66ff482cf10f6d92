namespace PsVm;

/// <summary>What an operator asks of merging a chain of templates.</summary>
public sealed record CompressOptions
{
    /// <summary>Folder that becomes the merged template; null: it takes the place of the one that is merged.</summary>
    public string? Destination { get; init; }

    /// <summary>
    /// A template below it in the chain, by path, which the merged one is made on: those between are merged. Null: the merged one stands
    /// alone.
    /// </summary>
    public string? Parent { get; init; }

    /// <summary>Folders in which templates of the chain are looked for, as <see cref="GuestOptions.SearchPath"/>.</summary>
    public IReadOnlyList<string> SearchPath { get; init; } = [];

    /// <summary>Replace another template that is at the destination.</summary>
    public bool Force { get; init; }
}
