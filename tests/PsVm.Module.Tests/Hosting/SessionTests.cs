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

        _session.WarnOfFailures(_host.List(), _output);
        _session.WarnOfFailures([_host.Get("web")], _output);

        string warning = Assert.Single(_output.Warnings);
        Assert.StartsWith("[GuestFailed] Guest 'web' failed at ", warning, StringComparison.Ordinal);
        Assert.EndsWith(": the disk of the host is gone", warning, StringComparison.Ordinal);
        other.WarnOfFailures([_host.Get("web")], _output);
        Assert.Equal(2, _output.Warnings.Count);
    }

    [Fact]
    public void A_later_guest_of_that_name_is_warned_of_too()
    {
        _host.Add("web");
        _host.SetState("web", GuestState.Failed, "first");
        _session.WarnOfFailures([_host.Get("web")], _output);
        _host.Add("web");
        _host.SetState("web", GuestState.Failed, "second");

        _session.WarnOfFailures([_host.Get("web")], _output);

        Assert.EndsWith(": second", _output.Warnings[1], StringComparison.Ordinal);
    }

    [Fact]
    public void What_there_is_to_know_is_debug_text_with_sizes_that_people_read()
    {
        _session.Attend(_host);
        _host.Events.Add(Happened(1, "Guest web started") with
        {
            Guest = new GuestReference("web"),
            Values = new Dictionary<string, object> { ["memoryBytes"] = 128L << 20, ["harts"] = 2 },
        });

        _session.WriteLog(_host, _output, s_began);

        Assert.Equal(["Guest web started"], _output.Verbose);
        Assert.EndsWith(" of web: memory 128 MiB, harts 2", Assert.Single(_output.Debug), StringComparison.Ordinal);
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

    [Fact]
    public void A_warning_of_the_host_is_one_in_the_first_session_that_comes_by_it_and_in_the_log_of_others()
    {
        Session other = new();
        RecordingOutput otherOutput = new();
        _session.Attend(_host);
        other.Attend(_host);
        _host.Events.Add(Happened(1, "begun"));
        _host.Events.Add(Happened(1, "no memory for code", HostEventLevel.Warning));

        _session.WriteLog(_host, _output, s_began);
        _session.WriteLog(_host, _output, s_began);
        other.WriteLog(_host, otherOutput, s_began);

        Assert.Equal(["[TranslationUnavailable] no memory for code"], _output.Warnings);
        Assert.Equal(["begun"], _output.Verbose);
        Assert.Empty(otherOutput.Warnings);
        Assert.Equal(["begun", "no memory for code"], otherOutput.Verbose);

        _host.Events.Add(Happened(2, "another", HostEventLevel.Warning));
        other.WriteLog(_host, otherOutput, s_began);
        Assert.Equal(["[TranslationUnavailable] another"], otherOutput.Warnings);
    }

    private static HostEvent Happened(int seconds, string message, HostEventLevel level = HostEventLevel.Information) => new(
        s_began.AddSeconds(seconds),
        level,
        level == HostEventLevel.Warning ? HostEventIds.TranslationUnavailable : HostEventIds.GuestStopped,
        message);
}
