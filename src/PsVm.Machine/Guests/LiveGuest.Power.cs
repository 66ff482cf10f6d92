using PsVm.Machine.Devices;

namespace PsVm.Machine.Guests;

/// <content>What it asks of its board's power.</content>
internal sealed partial class LiveGuest
{
    // Enough for what a kernel says of its panic, short enough for a line of details.
    private const int PanicLines = 5;

    /// <inheritdoc cref="GuestLife.IsHandedOver"/>
    public bool IsHandedOver => _life.IsHandedOver;

    /// <summary>Its harts are kept from running, and none does, until who copies its RAM has come further.</summary>
    public bool IsSlowed => _machine.Harts is { IsSlowed: true, Running: 0 };

    /// <inheritdoc cref="GuestHold.IsWorkGivenUp"/>
    public bool IsWorkGivenUp => _hold.IsWorkGivenUp;

    private void OnPowerRequest(PowerRequest request, uint code)
    {
        switch (request)
        {
            case PowerRequest.Off:
                End(GuestEnd.Stopped("powered off by the guest"));
                break;
            case PowerRequest.Reboot:
                End(GuestEnd.Stopped("reboot requested by the guest"), reboots: !Options.NoReboot);
                break;
            case PowerRequest.Panic:
                string[] last = [.. Console.Read(0).LastLines(PanicLines)];
                string panicked = "the guest's kernel panicked" + last.Length switch
                {
                    0 => string.Empty,
                    1 => $"; its last line is '{last[0]}'",
                    _ => $"; its last lines are '{string.Join("' / '", last)}'",
                };
                End(GuestEnd.Panicked(new PsVmError(GuestErrorIds.GuestReportedFailure, panicked) { Target = Name }));
                break;
            default:
                Fail(new PsVmError(GuestErrorIds.GuestReportedFailure, $"the guest reported a failure, code {code}") { Target = Name });
                break;
        }
    }
}
