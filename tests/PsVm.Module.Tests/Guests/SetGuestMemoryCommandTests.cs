using PsVm.Module.Guests;
using PsVm.Module.Output;

namespace PsVm.Module.Tests.Guests;

public class SetGuestMemoryCommandTests
{
    private const long MiB = 1 << 20, Memory = 128 * MiB;

    private readonly FakeGuestHost _host = new();
    private readonly RecordingOutput _output = new();

    [Fact]
    public void A_guest_that_has_come_to_its_target_is_passed_on()
    {
        Add("web");
        _host.OnTarget = (info, target) =>
            info with { Balloon = new GuestBalloon { HasDriver = true, Size = Memory - target, Target = target } };

        Run(64 * MiB, TimeSpan.FromMinutes(1));

        Assert.Equal("web", Assert.IsType<Guest>(Assert.Single(_output.Objects)).Name);
        Assert.Empty(_output.Errors);
    }

    [Theory]
    [InlineData(GuestState.Running, "found 100 MiB; it goes on trying.")]
    [InlineData(GuestState.Suspended, "found 100 MiB; it is suspended.")]
    [InlineData(GuestState.Stopped, "found 100 MiB; it has stopped.")]
    public void One_that_does_not_is_an_error_that_says_how_far_it_came(GuestState state, string found)
    {
        Add("web");
        _host.OnTarget = (info, target) =>
            info with { State = state, Balloon = new GuestBalloon { HasDriver = true, Size = 28 * MiB, Target = target } };

        Run(64 * MiB, TimeSpan.FromMilliseconds(1));

        PsVmError error = Assert.Single(_output.Errors);
        Assert.Equal(
            (GuestErrorIds.GuestMemoryTargetNotReached, ErrorKind.OperationTimeout, "web"), (error.Id, error.Category, error.Target));
        Assert.Equal($"Expected 64 MiB of RAM for guest 'web', {found}", error.Message);
        Assert.Empty(_output.Objects);
    }

    [Fact]
    public void Nothing_is_waited_for_where_that_is_not_wanted()
    {
        Add("web");

        Run(64 * MiB, TimeSpan.Zero);

        Assert.Single(_output.Objects);
    }

    [Fact]
    public void All_guests_are_asked_before_one_is_waited_for()
    {
        List<string> asked = [];
        Add("web");
        Add("db");
        _host.OnTarget = (info, target) =>
        {
            asked.Add(info.Name);
            return info;
        };

        Run(64 * MiB, TimeSpan.FromMilliseconds(1), "web", "db");

        Assert.Equal(["web", "db"], asked);
        Assert.Equal(2, _output.Errors.Count);
    }

    private void Add(string name)
    {
        GuestInfo info = _host.Add(name);
        FakeGuestHost host = _host;
        Func<GuestInfo, long, GuestInfo> then = host.OnTarget;
        host.OnTarget = (_, _) => info with { Memory = Memory };
        host.SetMemoryTarget(info.Reference, 0);
        host.OnTarget = then;
    }

    private void Run(long target, TimeSpan timeout, params string[] names) => SetGuestMemoryCommand.Run(
        [.. (names.Length == 0 ? ["web"] : names).Select(name => (GuestReference)name)],
        target,
        timeout,
        true,
        _host,
        _output,
        CancellationToken.None);
}
