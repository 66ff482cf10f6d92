using System.Diagnostics;
using PsVm.Machine.Agents;

namespace PsVm.Machine.Guests;

/// <content>The identity that its agent gives it, each time that it begins from its template.</content>
internal sealed partial class LiveGuest
{
    private static readonly TimeSpan s_identityPatience = TimeSpan.FromMinutes(5), s_identityPause = TimeSpan.FromMilliseconds(20);

    private CloneIdentity? _identity;
    private volatile GuestIdentityState _identityState;

    /// <summary>Whether it has the identity that was asked for.</summary>
    public GuestIdentityState IdentityState => _identityState;

    private void BecomeSoon()
    {
        if (_identity is { } identity)
        {
            _identityState = GuestIdentityState.Pending;
            GuestAgent? agent = _agent;
            _ = Task.Run(() => BecomeAsync(agent, identity));
        }
    }

    private async Task BecomeAsync(GuestAgent? agent, CloneIdentity identity)
    {
        string? wrong = agent is null ? "its machine type has no port for an agent" : await TryBecomeAsync(agent, identity).ConfigureAwait(false);

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
    private async Task<string?> TryBecomeAsync(GuestAgent agent, CloneIdentity identity)
    {
        try
        {
            long began = Stopwatch.GetTimestamp();
            while (!await agent.AnswersAsync(CancellationToken.None).ConfigureAwait(false))
            {
                if (agent != _agent || HasEnded || Stopwatch.GetElapsedTime(began) > s_identityPatience)
                {
                    return $"no agent answers within {s_identityPatience.TotalMinutes} minutes";
                }

                await Task.Delay(s_identityPause).ConfigureAwait(false);
            }

            GuestCommandResult result = await agent.RunAsync(
                AgentIdentity.ToCommand(identity, Name, Description.Uuid), null, CancellationToken.None).ConfigureAwait(false);
            string said = result.StdErr.Split('\n', StringSplitOptions.RemoveEmptyEntries) is [.., string last] ? $": {VisibleText.LineOf(last, 200)}" : "";
            return result.Succeeded ? null : $"what does it in the guest ended with {(result.Signal is { } signal ? $"signal {signal}" : result.ExitCode)}{said}";
        }
        catch (GuestException failure)
        {
            return failure.Message;
        }
    }
}
