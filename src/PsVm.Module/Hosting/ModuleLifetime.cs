using System.Management.Automation;
using System.Management.Automation.Runspaces;

namespace PsVm.Module.Hosting;

/// <summary>Leaves nothing behind when the module is removed: guests are stopped, backends unmapped.</summary>
/// <remarks>Guests belong to the process. While another open runspace has the module too, they live on.</remarks>
public sealed class ModuleLifetime : IModuleAssemblyInitializer, IModuleAssemblyCleanup
{
    private static readonly Lock Gate = new();
    private static readonly HashSet<Runspace> Importers = [];

    /// <inheritdoc/>
    public void OnImport()
    {
        lock (Gate)
        {
            Importers.Add(Runspace.DefaultRunspace);
        }
    }

    /// <inheritdoc/>
    public void OnRemove(PSModuleInfo psModuleInfo)
    {
        lock (Gate)
        {
            Importers.Remove(Runspace.DefaultRunspace);
            Importers.RemoveWhere(runspace => runspace.RunspaceStateInfo.State != RunspaceState.Opened);
            if (Importers.Count == 0)
            {
                ModuleServices.Shutdown();
            }
        }
    }
}
