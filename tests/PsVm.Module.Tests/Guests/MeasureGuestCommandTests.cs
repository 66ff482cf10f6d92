using PsVm.Module.Guests;

namespace PsVm.Module.Tests.Guests;

public class MeasureGuestCommandTests
{
    private readonly FakeGuestHost _host = new();
    private readonly RecordingOutput _output = new();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void All_guests_are_measured_in_one_go(bool detailed)
    {
        _host.Add("a");
        _host.Add("b");

        MeasureGuestCommand.Run(["b", "a"], detailed, _host, _output, CancellationToken.None);

        Assert.Equal([$"measure b a {detailed}"], _host.Calls);
        Assert.Equal(["b", "a"], _output.Objects.Cast<GuestMeasurement>().Select(measurement => measurement.Name));
    }

    [Fact]
    public void A_guest_that_is_gone_is_an_error_and_the_others_are_measured()
    {
        _host.Add("a");
        _host.Add("b");

        MeasureGuestCommand.Run(["a", "nope", "b"], detailed: false, _host, _output, CancellationToken.None);

        Assert.Equal(["a", "b"], _output.Objects.Cast<GuestMeasurement>().Select(measurement => measurement.Name));
        Assert.Equal((GuestErrorIds.GuestNotFound, "nope"), (_output.Errors.Single().Id, _output.Errors.Single().Target));
    }
}
