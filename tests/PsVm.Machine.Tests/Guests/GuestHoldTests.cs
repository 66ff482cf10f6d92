using PsVm.Machine.Devices;
using PsVm.Machine.Guests;
using PsVm.Machine.Scheduling;
using PsVm.Machine.Tests.Support;

namespace PsVm.Machine.Tests.Guests;

/// <summary>Who holds and releases the harts of a guest, one after the other.</summary>
public sealed class GuestHoldTests
{
    private const uint JumpToItself = 0x0000_006f; // j .

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task The_host_suspends_a_guest_for_what_still_holds_when_it_is_its_turn(bool stillHolds)
    {
        using HartScheduler scheduler = new(threads: 1);
        using BareMachine machine = new(scheduler, 1, JumpToItself);
        GuestLife life = new(() => "web", new GuestConsole());
        using GuestHold hold = new(() => "web", life, new GuestMachine(machine.Board, machine.Group));
        Assert.True(hold.Begin());
        using ManualResetEventSlim isReset = new(), goOn = new();
        bool hasTooMuch = true;
        Task reset = Task.Run(() => hold.Alone(
            cancellation =>
            {
                isReset.Set();
                goOn.Wait(cancellation);
                Volatile.Write(ref hasTooMuch, stillHolds);
            },
            CancellationToken.None));
        isReset.Wait();

        // It has too much when the host is told so, and the host's turn comes after the reset.
        Task suspend = Task.Run(() => hold.Suspend(CancellationToken.None, "it has too much", () => Volatile.Read(ref hasTooMuch)));
        goOn.Set();
        await Task.WhenAll(reset, suspend).WaitAsync(TimeSpan.FromMinutes(1));

        Assert.Equal(!stillHolds, life.IsToRun);
        Assert.Equal(stillHolds, machine.Group.IsHeld);
        machine.Group.Stop();
        machine.Group.WaitUntilEnded(CancellationToken.None);
    }
}
