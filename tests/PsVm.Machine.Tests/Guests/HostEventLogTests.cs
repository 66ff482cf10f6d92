using PsVm.Machine.Guests;

namespace PsVm.Machine.Tests.Guests;

public class HostEventLogTests
{
    private static readonly GuestInfo s_guest = new() { Name = "g", MachineType = "virt", Boot = "" };

    [Fact]
    public void It_is_bounded_and_says_how_much_is_lost()
    {
        HostEventLog log = new();
        for (int i = 0; i < HostEventLog.Capacity + 10; i++)
        {
            log.Add(HostEventLevel.Information, HostEventIds.GuestStarted, s_guest, $"{i}");
        }

        HostEvents read = log.Read(3);

        Assert.Equal((7, HostEventLog.Capacity + 10), (read.Lost, read.NextPosition));
        Assert.Equal(HostEventLog.Capacity, read.Events.Count);
        Assert.Equal("10", read.Events[0].Message);
    }
}
