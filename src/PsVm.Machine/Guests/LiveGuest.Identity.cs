using System.Diagnostics;
using PsVm.Machine.Agents;
using PsVm.Machine.Board.Slots;

namespace PsVm.Machine.Guests;

/// <content>
/// The identity that its agent gives it, each time that it begins from its template: what was asked for, and the addresses of its network
/// adapters, for which its drivers take those of the template.
/// </content>
internal sealed partial class LiveGuest
{
    private static readonly TimeSpan s_identityPatience = TimeSpan.FromMinutes(5), s_addressPatience = TimeSpan.FromSeconds(30),
        s_identityPause = TimeSpan.FromMilliseconds(20);

    private CloneIdentity? _identity;
    private volatile GuestIdentityState _identityState;

    /// <summary>Whether it has the identity that was asked for.</summary>
    public GuestIdentityState IdentityState => _identityState;

    private void BecomeSoon()
    {
        AdapterAddress[] adapters = _template is null ? [] :
            [.. Devices.All.OfType<NetworkInSlot>().Select(slot => new AdapterAddress(slot.Adapter.DriverAddress, slot.Adapter.Address))];
        if (_identity is not null || Array.Exists(adapters, adapter => adapter.IsToBeSet))
        {
            _identityState = GuestIdentityState.Pending;
            (GuestAgent? agent, CloneIdentity? identity) = (_agent, _identity);
            _ = BecomeAsync(agent, identity, adapters); // asked for here, so that it comes before what the agent is asked for later
        }
    }

    private async Task BecomeAsync(GuestAgent? agent, CloneIdentity? identity, AdapterAddress[] adapters)
    {
        string? wrong = agent is null
            ? "its machine type has no port for an agent"
            : await TryBecomeAsync(agent, identity, adapters).ConfigureAwait(false);

        // Another life of its has its own say, and one that is over has none.
        if (agent == _agent && !HasEnded)
        {
            _identityState = wrong is null ? GuestIdentityState.Applied : GuestIdentityState.Failed;
            if (wrong is not null)
            {
                _events.IdentityFailed(Info, wrong);
            }
        }
    }

    /// <returns>What went wrong; null: nothing.</returns>
    private async Task<string?> TryBecomeAsync(GuestAgent agent, CloneIdentity? identity, AdapterAddress[] adapters)
    {
        TimeSpan patience = identity is null ? s_addressPatience : s_identityPatience;
        try
        {
            if (identity is null && await TrySetAddressesAsync(agent, adapters).ConfigureAwait(false))
            {
                return null;
            }

            long began = Stopwatch.GetTimestamp();
            while (!await agent.AnswersAsync(CancellationToken.None).ConfigureAwait(false))
            {
                if (agent != _agent || HasEnded || Stopwatch.GetElapsedTime(began) > patience)
                {
                    return identity is null
                        ? $"no agent answers within {patience.TotalSeconds} seconds, so its drivers go on with the addresses (MAC) of the "
                            + "template's adapters"
                        : $"no agent answers within {patience.TotalMinutes} minutes";
                }

                await Task.Delay(s_identityPause).ConfigureAwait(false);
            }

            GuestCommandResult result = await agent.RunAsync(
                AgentIdentity.ToCommand(identity ?? new CloneIdentity(), Name, Description.Uuid, adapters),
                null,
                CancellationToken.None).ConfigureAwait(false);
            string said = result.StdErr.Split('\n', StringSplitOptions.RemoveEmptyEntries) is [.., string last]
                ? $": {VisibleText.LineOf(last, 200)}"
                : "";
            return result.Succeeded
                ? null
                : $"what does it in the guest ended with {(result.Signal is { } signal ? $"signal {signal}" : result.ExitCode)}{said}";
        }
        catch (GuestException failure)
        {
            return failure.Message;
        }
    }

    private static async Task<bool> TrySetAddressesAsync(GuestAgent agent, AdapterAddress[] adapters)
    {
        foreach (AdapterAddress adapter in adapters.Where(adapter => adapter.IsToBeSet))
        {
            if (!await agent.TrySetAddressAsync(adapter).ConfigureAwait(false))
            {
                return false;
            }
        }

        return true;
    }
}
