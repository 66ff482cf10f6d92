using PsVm.Machine.Board;
using PsVm.Machine.Scheduling;

namespace PsVm.Machine.Guests;

/// <summary>
/// The board of a guest and its harts on the scheduler. Others take their place when the guest is reset, while no hart runs; who looks at
/// harts then looks at harts that are there. Safe from any thread.
/// </summary>
internal sealed class GuestMachine(GuestBoard board, HartGroup harts)
{
    private readonly Lock _gate = new();
    private volatile GuestBoard _board = board;
    private volatile HartGroup _harts = harts;

    /// <summary>The board.</summary>
    public GuestBoard Board => _board;

    /// <summary>Its harts.</summary>
    public HartGroup Harts => _harts;

    /// <summary>Looks at board and harts, which stay meanwhile.</summary>
    public T Look<T>(Func<GuestBoard, HartGroup, T> look)
    {
        lock (_gate)
        {
            return look(_board, _harts);
        }
    }

    /// <summary>Puts others in their place.</summary>
    /// <returns>Those that were there, at which nobody looks any more.</returns>
    public (GuestBoard Board, HartGroup Harts) Exchange(GuestBoard board, HartGroup harts)
    {
        lock (_gate)
        {
            (GuestBoard, HartGroup) old = (_board, _harts);
            (_board, _harts) = (board, harts);
            return old;
        }
    }
}
