using System.Management.Automation;
using System.Management.Automation.Runspaces;
using System.Runtime.CompilerServices;
using Microsoft.PowerShell.Commands;
using PsVm.Module.Output;

namespace PsVm.Module.Hosting;

/// <summary>What becomes of guests when the module is removed from a runspace, or the process ends: none ends without a word.</summary>
/// <remarks>
/// Guests belong to the process. They live on while another open runspace has the module too, and when the module is imported anew.
/// </remarks>
public sealed class ModuleLifetime : IModuleAssemblyInitializer, IModuleAssemblyCleanup
{
    private static readonly Lock s_gate = new();
    private static readonly HashSet<Runspace> s_importers = [];

    // Those whose exit is heard, however often they import the module.
    private static readonly ConditionalWeakTable<Runspace, object> s_heard = [];

    /// <summary>There are hosts, which may have guests.</summary>
    /// <remarks>
    /// Asked before they are: what they are made of is not loaded until then, and may be uninstalled by the end of the process.
    /// </remarks>
    internal static bool HasHosts { get; set; }

    /// <inheritdoc/>
    public void OnImport()
    {
        Runspace runspace = Runspace.DefaultRunspace;
        lock (s_gate)
        {
            s_importers.Add(runspace);
            if (s_heard.TryAdd(runspace, runspace))
            {
                runspace.Events.SubscribeEvent(
                    source: null,
                    eventName: null,
                    sourceIdentifier: PSEngineEvent.Exiting,
                    data: null,
                    handlerDelegate: (_, _) => Close(runspace),
                    supportEvent: true,
                    forwardEvent: false);
            }
        }

        SessionViews.Warm();
    }

    /// <summary>Called when the module is about to be removed from this runspace: ends guests if that was asked for, or objects.</summary>
    /// <param name="psModuleInfo">The module.</param>
    /// <exception cref="RuntimeException">Guests run (<see cref="ModuleErrorIds.GuestsRunning"/>): the module stays as it is.</exception>
    public void OnRemove(PSModuleInfo psModuleInfo)
    {
        Runspace runspace = Runspace.DefaultRunspace;
        PSCmdlet? remover = CmdletRemover.In(runspace);
        if (remover is ImportModuleCommand)
        {
            return;
        }

        lock (s_gate)
        {
            IReadOnlyList<GuestInfo> running = HasOthers(runspace) ? [] : RunningGuests();
            if (running.Count > 0 && !CmdletRemover.IsForced(remover))
            {
                throw Refusal(running);
            }

            if (HasHosts && !HasOthers(runspace))
            {
                ModuleServices.Shutdown();
            }

            s_importers.Remove(runspace);
            if (running.Count > 0)
            {
                remover?.WriteWarning($"[{ModuleErrorIds.GuestsEnded}] PsVm was removed, which ended {Count(running)}.");
            }
        }
    }

    /// <summary>How many there are, and who the first are.</summary>
    internal static string Count(IReadOnlyList<GuestInfo> guests)
    {
        const int Named = 5;
        string names = string.Join(", ", guests.Take(Named).Select(guest => $"'{guest.Name}'"));
        string more = guests.Count > Named ? $" and {guests.Count - Named} more" : string.Empty;
        return $"{guests.Count} {(guests.Count == 1 ? "guest" : "guests")}: {names}{more}";
    }

    private static RuntimeException Refusal(IReadOnlyList<GuestInfo> running)
    {
        CmdletException error = new(
            ModuleErrorIds.GuestsRunning,
            $"Expected no running guest when PsVm is removed, found {Count(running)}.",
            recommendedAction: "Stop them (Get-Guest | Stop-Guest -Force), or end them with the module: Remove-Module PsVm -Force.");
        ErrorRecord record = new(error, error.ErrorId, ErrorCategory.ResourceBusy, "PsVm")
        {
            ErrorDetails = new ErrorDetails($"{error.Message} {error.RecommendedAction}") { RecommendedAction = error.RecommendedAction },
        };
        return new RuntimeException(error.Message, error, record);
    }

    // The process ends with its first runspace; others come and go, and their guests stay.
    private static void Close(Runspace runspace)
    {
        lock (s_gate)
        {
            s_importers.Remove(runspace);
        }

        if (runspace.Id == 1 && RunningGuests() is { Count: > 0 } running)
        {
            Console.Error.WriteLine($"WARNING: [{ModuleErrorIds.GuestsEnded}] The process of PsVm ends, and with it {Count(running)}.");
        }
    }

    private static IReadOnlyList<GuestInfo> RunningGuests() => HasHosts ? ModuleServices.RunningGuests() : [];

    private static bool HasOthers(Runspace runspace)
    {
        s_importers.RemoveWhere(importer => importer.RunspaceStateInfo.State != RunspaceState.Opened);
        return s_importers.Any(importer => importer != runspace);
    }
}
