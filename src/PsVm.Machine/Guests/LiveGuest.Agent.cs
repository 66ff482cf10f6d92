using PsVm.Machine.Agents;
using PsVm.Machine.Board;
using PsVm.Machine.Devices;

namespace PsVm.Machine.Guests;

/// <content>The agent in it.</content>
/// <remarks>
/// Each board of its has its own: what was asked of the one before a reset or a reboot has failed. Its clock is set when the agent opens
/// its port, and where time stood still for the guest: it began from a template, was suspended or reset.
/// </remarks>
internal sealed partial class LiveGuest
{
    private volatile GuestAgent? _agent;

    /// <summary>What stands for the agent in it, whether or not it is there; null: the board has no port for one.</summary>
    public GuestAgent? Agent => _agent;

    private void MeetAgent(GuestBoard board)
    {
        _sockets.Connect(board.Ports, Name);
        _agent = board.Ports?.Find(ConsolePorts.Agent) is { } port
            ? new GuestAgent(port, () => Name, () => (_machine.Harts.CpuTime, _machine.Harts.WantsCpu))
            : null;
        _agent?.Watch();
    }

    /// <summary>Asks the agent for it, so that it comes before all that it is asked for later; nobody waits for its answer.</summary>
    private void SetClockSoon()
    {
        if (_agent is { State: not GuestAgentState.Absent } agent)
        {
            _ = agent.SetClockAsync();
        }
    }
}
