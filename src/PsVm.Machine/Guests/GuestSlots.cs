using PsVm.Machine.Board.Slots;

namespace PsVm.Machine.Guests;

/// <summary>Gives guests that are off devices, and takes them away: virtio-mmio has no hot-plug.</summary>
/// <param name="guests">The guests.</param>
/// <param name="assembler">Makes their devices.</param>
internal sealed class GuestSlots(GuestTable guests, GuestAssembler assembler)
{
    /// <summary>Gives a guest another device.</summary>
    /// <typeparam name="TDevice">The device.</typeparam>
    /// <typeparam name="TShown">What is shown of it.</typeparam>
    /// <param name="guest">The guest.</param>
    /// <param name="wish">What the guest is to be made of, and the role of the device that is new.</param>
    /// <param name="show">Shows it, of a guest of a name.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="GuestException">It cannot have it.</exception>
    public TShown Add<TDevice, TShown>(
        GuestReference guest,
        Func<LiveGuest, (GuestOptions Options, string Role)> wish,
        Func<TDevice, string, TShown> show,
        CancellationToken cancellation)
        where TDevice : IGuestDevice => guests.WhileOff(
            guest,
            found =>
            {
                (GuestOptions options, GuestDevicePlan plan) = PlanOf(wish(found));
                TDevice made = (TDevice)assembler.Make(plan, onlyLooks: false);
                found.ChangeDevices(options, found.Devices.With(made));
                return show(made, found.Name);
            },
            cancellation);

    /// <summary>Finds out whether a guest could be given another device.</summary>
    /// <inheritdoc cref="Add"/>
    public void CheckAdd(GuestReference guest, Func<LiveGuest, (GuestOptions Options, string Role)> wish) =>
        assembler.Make(PlanOf(wish(guests.FindStopped(guest))).Plan, onlyLooks: true).Dispose();

    /// <summary>Takes a device from a guest.</summary>
    /// <param name="guest">The guest.</param>
    /// <param name="wish">What the guest is to be made of, and the device that is none of it.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="GuestException">It has to keep it.</exception>
    public void Remove(
        GuestReference guest, Func<LiveGuest, (GuestOptions Options, IGuestDevice Device)> wish, CancellationToken cancellation) =>
        guests.WhileOff(
            guest,
            found =>
            {
                (GuestOptions wanted, IGuestDevice gone) = wish(found);
                found.ChangeDevices(assembler.OpenWith(wanted).Options, found.Devices.Without(gone));
                return gone;
            },
            cancellation);

    /// <summary>Finds out whether a device could be taken from a guest.</summary>
    /// <inheritdoc cref="Remove"/>
    public void CheckRemove(GuestReference guest, Func<LiveGuest, (GuestOptions Options, IGuestDevice Device)> wish) =>
        assembler.OpenWith(wish(guests.FindStopped(guest)).Options);

    private (GuestOptions Options, GuestDevicePlan Plan) PlanOf((GuestOptions Options, string Role) wish)
    {
        (GuestOptions options, IReadOnlyList<GuestDevicePlan> slots) = assembler.OpenWith(wish.Options);
        return (options, slots.Single(plan => plan.Role == wish.Role));
    }
}
