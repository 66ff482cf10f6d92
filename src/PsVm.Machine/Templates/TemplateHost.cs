namespace PsVm.Machine.Templates;

/// <summary>The templates on this machine's file systems.</summary>
public sealed class TemplateHost : ITemplateHost
{
    /// <inheritdoc/>
    public GuestTemplate Read(string path, CancellationToken cancellation = default) => GuestTemplates.Read(path);

    /// <inheritdoc/>
    public IReadOnlyList<GuestTemplate> List(string folder, CancellationToken cancellation = default) => GuestTemplates.List(folder);

    /// <inheritdoc/>
    public IReadOnlyList<string> Leftovers(string folder, CancellationToken cancellation = default) => GuestTemplates.Leftovers(folder);

    /// <inheritdoc/>
    public TemplateReport Test(string path, bool verify, CancellationToken cancellation = default) =>
        GuestTemplates.Test(path, verify, cancellation);

    /// <inheritdoc/>
    public void Remove(string path, CancellationToken cancellation = default) => GuestTemplates.Remove(path);
}
