using PsVm.Machine.Board;
using PsVm.Machine.Board.Slots;

namespace PsVm.Machine.Templates;

/// <summary>A guest of which a template can be made: it can be held while its RAM and state are read.</summary>
internal interface IHeldGuest
{
    /// <summary>Its name.</summary>
    string Name { get; }

    /// <summary>What does not change about it.</summary>
    GuestInfo Description { get; }

    /// <summary>What is in its slots.</summary>
    GuestDevices Devices { get; }

    /// <summary>
    /// Does something while it does not run and its time stands still, and lets it go on as it was, or as whoever suspends or resumes it
    /// meanwhile wants it to.
    /// </summary>
    /// <param name="work">Is given the board, the RAM, and what is cancelled when the guest is to be stopped meanwhile.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="GuestException">It has stopped, is being stopped, or does such a thing already.</exception>
    T WhileHeld<T>(Func<GuestBoard, GuestRam, CancellationToken, T> work, CancellationToken cancellation);

    /// <summary>Does something for which its RAM must stay; it runs meanwhile, or not, as its operator wants it.</summary>
    /// <param name="work">Is given the board, the RAM, and what is cancelled when the work is to be given up, since the guest ends.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="GuestException">It has stopped, is being stopped, or such work is under way.</exception>
    T WithRam<T>(Func<GuestBoard, GuestRam, CancellationToken, T> work, CancellationToken cancellation);

    /// <summary>
    /// Does something short while the guest stands still, as a part of work with its RAM, which is completed from then on also when the
    /// guest ends by itself.
    /// </summary>
    /// <param name="work">What needs the guest to stand still.</param>
    /// <param name="pause">How long it stood.</param>
    /// <param name="stop">Gives up.</param>
    /// <exception cref="GuestException">It has stopped, or is being stopped.</exception>
    T Pause<T>(Func<T> work, out TimeSpan pause, CancellationToken stop);

    /// <summary>
    /// Keeps its harts from running for now, or no longer, so that who copies its RAM keeps up. From any thread, also a hart's.
    /// </summary>
    void Slow(bool slow);

    /// <summary>Powers it off when such work, which calls this, is over.</summary>
    /// <param name="reason">Why.</param>
    void Stop(string reason);
}
