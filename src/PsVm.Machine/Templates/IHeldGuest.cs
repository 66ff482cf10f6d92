using PsVm.Machine.Board;

namespace PsVm.Machine.Templates;

/// <summary>A guest of which a template can be made: it can be held while its RAM and state are read.</summary>
internal interface IHeldGuest
{
    /// <summary>Its name.</summary>
    string Name { get; }

    /// <summary>What does not change about it.</summary>
    GuestInfo Description { get; }

    /// <summary>
    /// Does something while it does not run and its time stands still, and lets it go on as it was, or as whoever suspends or resumes it
    /// meanwhile wants it to.
    /// </summary>
    /// <param name="work">Is given the board, the RAM, and what is cancelled when the guest is to be stopped meanwhile.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="GuestException">It has stopped, is being stopped, or does such a thing already.</exception>
    T WhileHeld<T>(Func<GuestBoard, GuestRam, CancellationToken, T> work, CancellationToken cancellation);

    /// <summary>Powers it off when such work, which calls this, is over.</summary>
    /// <param name="reason">Why.</param>
    void Stop(string reason);
}
