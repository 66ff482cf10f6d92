using System.Management.Automation;

namespace PsVm.Import;

/// <summary>What runs first when PsVm is imported: makes way for PsVm.Module, which the manifest names next, and what that needs.</summary>
/// <remarks>An assembly and no script: a third of what PowerShell compiled at import was for a few lines of one.</remarks>
public sealed class ModuleLoader : IModuleAssemblyInitializer
{
    /// <inheritdoc/>
    /// <exception cref="RuntimeException">This process has another version of PsVm (<c>OtherVersionLoaded</c>).</exception>
    public void OnImport()
    {
        if (LoadContext.FindOtherVersion() is { } other)
        {
            FileLoadException cause = new(other);
            throw new RuntimeException(other, cause, new ErrorRecord(cause, "OtherVersionLoaded", ErrorCategory.ResourceBusy, "PsVm"));
        }

        LoadContext.Serve();
    }
}
