using PsVm.Module.Hosting;
using PsVm.Module.Tests.Guests;

namespace PsVm.Module.Tests.Hosting;

public class SessionTests
{
    private static readonly DateTimeOffset s_began = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);

    private readonly FakeGuestHost _host = new();
    private readonly RecordingOutput _output = new();
    private readonly Session _session = new();

    [Fact]
    public void A_guest_that_failed_meanwhile_is_warned_of_once_in_each_session()
    {
        _host.Add("web");
        _host.Add("db");
        _host.SetState("web", GuestState.Failed, "the disk of the host is gone");
        Session other = new();

        _session.WarnOfFailures(["db", "web", "nope"], _host, _output, CancellationToken.None);
        _session.WarnOfFailures(["web"], _host, _output, CancellationToken.None);

        string warning = Assert.Single(_output.Warnings);
        Assert.StartsWith("[GuestFailed] Guest 'web' failed at ", warning, StringComparison.Ordinal);
        Assert.EndsWith(": the disk of the host is gone", warning, StringComparison.Ordinal);
        other.WarnOfFailures(["web"], _host, _output, CancellationToken.None);
        Assert.Equal(2, _output.Warnings.Count);
    }

    [Fact]
    public void A_later_guest_of_that_name_is_warned_of_too()
    {
        _host.Add("web");
        _host.SetState("web", GuestState.Failed, "first");
        _session.WarnOfFailures(["web"], _host, _output, CancellationToken.None);
        _host.Add("web");
        _host.SetState("web", GuestState.Failed, "second");

        _session.WarnOfFailures(["web"], _host, _output, CancellationToken.None);

        Assert.EndsWith(": second", _output.Warnings[1], StringComparison.Ordinal);
    }

    [Fact]
    public void What_happened_between_two_cmdlets_is_in_the_log_of_the_second_with_its_time()
    {
        _host.Events.Add(Happened(-60, "before the session"));
        _session.Attend(_host);
        _session.WriteLog(_host, _output, s_began);
        _host.Events.Add(Happened(-1, "between"));
        _session.Attend(_host);
        _host.Events.Add(Happened(1, "during"));

        _session.WriteLog(_host, _output, s_began);
        _session.WriteLog(_host, _output, s_began);

        Assert.Equal([$"{s_began.AddSeconds(-1).ToLocalTime():HH:mm:ss} between", "during"], _output.Verbose);
    }

    [Fact]
    public void A_new_host_is_attended_from_its_beginning()
    {
        _host.Events.Add(Happened(-1, "old"));
        _session.Attend(_host);
        FakeGuestHost now = new();
        _session.Attend(now);
        now.Events.Add(Happened(1, "new"));

        _session.WriteLog(now, _output, s_began);

        Assert.Equal(["new"], _output.Verbose);
    }

    private static HostEvent Happened(int seconds, string message) =>
        new(s_began.AddSeconds(seconds), HostEventLevel.Information, HostEventIds.GuestStopped, message);
}
