using PsVm.Machine.Board.Slots;

namespace PsVm.Machine.Guests;

/// <content>Devices that come and go while it is off.</content>
internal sealed partial class LiveGuest
{
    /// <summary>Its next life has other devices; it has ended, and whoever calls this has its <see cref="Succession"/>.</summary>
    public void ChangeDevices(GuestOptions options, GuestDevices devices) => (Options, Devices) = (options, devices);

    /// <summary>Returns when none of its devices does anything any more; it has ended.</summary>
    public void Drain(CancellationToken cancellation) => _machine.Board.Drain(cancellation);
}
