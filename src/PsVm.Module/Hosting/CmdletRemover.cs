using System.Management.Automation;
using System.Management.Automation.Runspaces;
using System.Reflection;

namespace PsVm.Module.Hosting;

/// <summary>
/// Who removes a module: PowerShell tells the module that it is removed, but neither by which cmdlet nor whether with -Force.
/// </summary>
internal static class CmdletRemover
{
    private const BindingFlags Any = BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic;

    /// <summary>The cmdlet whose pipeline step this is; null when the engine does not say.</summary>
    /// <remarks>
    /// The engine has it, but not for others to see. Should it look different one day, removals are refused while guests run.
    /// </remarks>
    public static PSCmdlet? In(Runspace runspace)
    {
        object? context = Get(runspace, "ExecutionContext");
        object? processor = Get(context, "CurrentCommandProcessor");
        return Get(processor, "Command") as PSCmdlet;
    }

    /// <summary>It was called with -Force.</summary>
    public static bool IsForced(PSCmdlet? cmdlet) =>
        cmdlet is not null && cmdlet.MyInvocation.BoundParameters.TryGetValue("Force", out object? force)
            && LanguagePrimitives.IsTrue(force);

    private static object? Get(object? from, string name) => from?.GetType().GetProperty(name, Any)?.GetValue(from);
}
