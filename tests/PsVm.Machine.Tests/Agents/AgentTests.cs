using System.Net;
using System.Text;
using System.Text.Json;
using PsVm.Machine.Agents;

namespace PsVm.Machine.Tests.Agents;

/// <summary>What the host does with agents that answer, and with guests that do not, or too much, or nonsense.</summary>
public sealed class AgentTests : AgentTest
{
    [Theory]
    [InlineData("10.0.2.15", true)]
    [InlineData("2001:db8::1", true)]
    [InlineData("fd00::1", true)]
    [InlineData("127.0.0.2", false)]
    [InlineData("::1", false)]
    [InlineData("169.254.7.7", false)]
    [InlineData("fe80::1", false)]
    [InlineData("0.0.0.0", false)]
    [InlineData("::", false)]
    public void Addresses_of_loopback_or_a_link_alone_are_none_to_wait_for(string address, bool expected) =>
        Assert.Equal(expected, AgentNetwork.IsReachable(IPAddress.Parse(address)));

    [Theory]
    [InlineData("""[]""", false)]
    [InlineData("""[{"name": "lo", "ip-addresses": [{"ip-address": "127.0.0.1", "prefix": 8}]}, {"name": "eth0"}]""", false)]
    [InlineData("""[{"name": "lo"}, {"name": "eth0", "ip-addresses": [{"ip-address": "10.0.2.15", "prefix": 24}]}]""", true)]
    [InlineData(""" "nonsense" """, false)]
    public async Task Whether_a_guest_has_an_address_is_for_its_agent_to_say(string answer, bool expected)
    {
        Answers("guest-network-get-interfaces", answer);
        Assert.Equal(expected, await Agent.HasAddressAsync(default));
    }

    [Fact]
    public async Task An_agent_that_tells_of_no_addresses_is_not_waited_for()
    {
        Answer = (request, _) => request == "guest-network-get-interfaces" ? Unknown : null;
        Assert.Equal(
            GuestErrorIds.GuestAgentRefused, (await Assert.ThrowsAsync<GuestException>(() => Agent.HasAddressAsync(default))).ErrorId);
    }

    [Fact]
    public async Task A_short_command_takes_one_request()
    {
        Answers("psvm-exec", """{"pid": 7, "exited": true, "exitcode": 3, "out-data": "aGkK", "err-data": "b2g="}""");

        GuestCommandResult first = await Run();
        GuestCommandResult second = await Run();

        Assert.Equal(["guest-sync-delimited", "psvm-exec", "psvm-exec"], Asked);
        Assert.Equal(
            ("web", 3, null, "hi", "oh", false), (first.Guest, first.ExitCode, first.Signal, first.StdOut, first.StdErr, first.Succeeded));
        Assert.Equal("hi\n"u8.ToArray(), second.GetStdOutBytes());
        Assert.Equal(GuestAgentState.Answers, Agent.State);
    }

    [Fact]
    public async Task An_agent_of_QEMUs_is_asked_until_the_command_has_ended()
    {
        int times = 0;
        Answer = (request, _) => request switch
        {
            "psvm-exec" => Unknown,
            "guest-exec" => Return("""{"pid": 12}"""),
            _ => Return(times++ < 3 ? """{"exited": false}""" : """{"exited": true, "signal": 9, "out-data": "aGk=", "out-truncated": true}"""),
        };

        GuestCommandResult result = await Run();

        Assert.Equal((null, 9, "hi", true), (result.ExitCode, result.Signal, result.StdOut, result.Truncated));
        Assert.Equal(4, times);
        await Run();
        Assert.Single(Asked, "psvm-exec"); // which it is not asked for again
    }

    [Fact]
    public async Task Output_comes_piece_by_piece_to_who_wants_it()
    {
        int times = 0;
        Answers("psvm-exec", """{"pid": 7, "exited": false, "out-data": "MQ=="}""");
        Func<string, JsonElement, string?> first = Answer;
        Answer = (request, arguments) => request == "psvm-exec-status"
            ? Return(times++ == 0 ? """{"pid": 7, "exited": false, "err-data": "Mg=="}""" : """{"pid": 7, "exited": true, "exitcode": 0, "out-data": "Mw=="}""")
            : first(request, arguments);
        List<string> pieces = [];

        GuestCommandResult result = await Agent.RunAsync(
            new GuestCommand("x"),
            piece => pieces.Add($"{piece.IsError} {Encoding.ASCII.GetString(piece.Bytes.Span)}"),
            CancellationToken.None);

        Assert.Equal(["False 1", "True 2", "False 3"], pieces);
        Assert.Equal((0, ""), (result.ExitCode, result.StdOut));
    }

    [Fact]
    public async Task A_guest_that_never_answers_costs_the_patience_and_no_more()
    {
        Agent.Patience = Soon;
        Answer = (_, _) => null;

        Assert.Equal(GuestErrorIds.GuestAgentSilent, await Refused());
        Assert.Equal(GuestAgentState.Silent, Agent.State);

        // And once it does, all is well.
        Answers("psvm-exec", """{"pid": 7, "exited": true, "exitcode": 0}""");
        Assert.True((await Run()).Succeeded);
        Assert.Equal(GuestAgentState.Answers, Agent.State);
    }

    [Fact]
    public async Task A_guest_that_waits_for_the_hosts_CPUs_is_waited_for()
    {
        int times = 0;
        Agent.Patience = Soon;
        Answer = (_, _) => null;
        Cpu = () =>
        {
            // Before what is asked, when the session has begun, and then each time the patience has ended and begins anew.
            if (Interlocked.Increment(ref times) == 5)
            {
                Put(Return("""{"pid": 7, "exited": true, "exitcode": 0}"""));
            }

            return (TimeSpan.Zero, true);
        };

        Assert.True((await Run()).Succeeded);
        Assert.True(times >= 5, $"{times}");
    }

    [Theory]
    [InlineData(0, false)] // it has nothing to do
    [InlineData(1, true)] // it does something else
    public async Task A_guest_that_could_have_answered_is_not_waited_for(int secondsEach, bool wantsMore)
    {
        TimeSpan had = default;
        Agent.Patience = Soon;
        Answer = (_, _) => null;
        Cpu = () => (had += TimeSpan.FromSeconds(secondsEach), wantsMore);

        GuestException failure = await Assert.ThrowsAsync<GuestException>(() => Run());
        Assert.Equal(GuestErrorIds.GuestAgentSilent, failure.ErrorId);
        Assert.Contains($"within {Soon.TotalSeconds} s,", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_guest_that_never_comes_to_the_hosts_CPUs_is_said_to_wait_for_them()
    {
        Agent.Patience = Soon;
        Answer = (_, _) => null;
        Cpu = () => (default, true);

        GuestException failure = await Assert.ThrowsAsync<GuestException>(() => Run());
        Assert.Equal(GuestErrorIds.GuestAgentSilent, failure.ErrorId);
        Assert.Contains("waits for the host's CPUs", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_guest_that_opens_its_port_over_and_over_is_asked_by_one_at_a_time()
    {
        Answer = (_, _) => null;
        Agent.Patience = Soon;
        Agent.Watch();
        for (int i = 0; i < 200_000; i++)
        {
            Port.SetOpen(true);
            Port.SetOpen(false);
        }

        TaskCompletionSource last = new(); // after all that was queued by then
        ThreadPool.QueueUserWorkItem(static last => last.SetResult(), last, preferLocal: false);
        await last.Task;
        Assert.InRange(Time.Timers, 0, 1); // whoever has asked pauses before the next one, and the time stands still

        // And who comes last is met.
        Answer = (request, _) => request == "guest-get-time" ? ReturnNow : Return("{}");
        Port.SetOpen(true);
        Assert.True(SpinWait.SpinUntil(
            () =>
            {
                Time.Advance(TimeSpan.FromSeconds(1));
                return Agent.ClockSetAt is not null;
            },
            TimeSpan.FromMinutes(1)));
    }

    [Theory]
    [InlineData("hello\n", GuestErrorIds.GuestAgentGarbled)]
    [InlineData("\0\u0001\u0002\n", GuestErrorIds.GuestAgentGarbled)]
    [InlineData("[1]\n", GuestErrorIds.GuestAgentGarbled)]
    [InlineData("{}\n", GuestErrorIds.GuestAgentGarbled)]
    [InlineData("{\"return\": 1}\n", GuestErrorIds.GuestAgentGarbled)]
    [InlineData("{\"return\": {\"pid\": 1e400, \"exited\": true}}\n", GuestErrorIds.GuestAgentGarbled)]
    [InlineData("{\"return\": {\"pid\": 1, \"exited\": \"yes\"}}\n", GuestErrorIds.GuestAgentGarbled)]
    [InlineData("{\"return\": {\"pid\": 1, \"exited\": true}}\n", GuestErrorIds.GuestAgentGarbled)]
    [InlineData("{\"return\": {\"pid\": 1, \"exited\": true, \"exitcode\": 0, \"out-data\": \"%%\"}}\n", GuestErrorIds.GuestAgentGarbled)]
    [InlineData("{\"error\": \"no\"}\n", GuestErrorIds.GuestAgentGarbled)]
    [InlineData("{\"error\": {\"class\": \"\u00e5\", \"desc\": \"no UTF-8\"}}\n", GuestErrorIds.GuestAgentGarbled)]
    [InlineData("{\"error\": {\"class\": \"half a pair\", \"desc\": \"\\ud800\"}}\n", GuestErrorIds.GuestAgentGarbled)]
    [InlineData("{\"error\": {\"class\": \"GenericError\", \"desc\": \"no \\u001b[2J\"}}\n", GuestErrorIds.GuestAgentRefused)]
    public async Task Nonsense_is_an_error_and_the_next_request_is_answered(string nonsense, string id)
    {
        Answers("psvm-exec", "1");
        Func<string, JsonElement, string?> knows = Answer;
        Answer = (request, arguments) => request == "psvm-exec" ? nonsense : knows(request, arguments);

        GuestException error = await Assert.ThrowsAsync<GuestException>(Run);

        Assert.Equal(id, error.ErrorId);
        Assert.DoesNotContain('\u001b', error.Message);
        Assert.DoesNotContain('\0', error.Message);
        Answers("psvm-exec", """{"pid": 7, "exited": true, "exitcode": 0}""");
        Assert.True((await Run()).Succeeded);
    }

    [Fact]
    public async Task Nesting_without_end_is_nonsense()
    {
        Answer = (_, _) => new string('[', 100_000) + "\n";

        Assert.Equal(GuestErrorIds.GuestAgentGarbled, await Refused());
    }

    [Fact]
    public async Task An_answer_without_end_is_given_up()
    {
        Agent.Patience = TimeSpan.FromMinutes(2); // the flood may have to wait for a thread
        using CancellationTokenSource enough = new();
        Task flood = Task.CompletedTask;
        Answer = (request, _) =>
        {
            flood = request == "psvm-exec" ? Task.Run(() => Flood("{\"return\": \"" + new string('x', 4000), enough.Token)) : flood;
            return null;
        };

        Assert.Equal(GuestErrorIds.GuestAgentFlooded, await Refused());

        await enough.CancelAsync();
        await flood;
        Empty();
        Answers("psvm-exec", """{"pid": 7, "exited": true, "exitcode": 0}""");
        Assert.True((await Run()).Succeeded);
    }

    [Fact]
    public async Task A_flood_that_has_nothing_to_do_with_a_question_is_given_up()
    {
        using CancellationTokenSource enough = new();
        Task flood = Task.Run(() => Flood(new string('x', 4000), enough.Token));
        Answer = (_, _) => null;
        Syncs = false;

        Assert.Contains(await Refused(), (string[])[GuestErrorIds.GuestAgentFlooded, GuestErrorIds.GuestAgentSilent]);

        await enough.CancelAsync();
        await flood;
    }

    [Fact]
    public async Task A_late_answer_is_not_taken_for_that_to_another_question()
    {
        Agent.Patience = Soon;
        Answer = (request, _) => request == "guest-get-host-name" ? null : Return("\"right\"");
        await Assert.ThrowsAsync<GuestException>(() => Agent.AskAsync("guest-get-host-name", null, CancellationToken.None));
        Put("{\"return\": \"late\"}\n{\"return\": \"later\"}\n");

        JsonElement answer = await Agent.AskAsync("guest-ping", null, CancellationToken.None);

        Assert.Equal("right", answer.GetString());
    }

    [Fact]
    public async Task An_agent_that_goes_while_it_is_asked_is_told_at_once()
    {
        Answer = (_, _) =>
        {
            Port.SetOpen(false);
            return null;
        };
        Assert.Equal(GuestErrorIds.GuestAgentGone, await Refused());
        Assert.Equal(GuestAgentState.Absent, Agent.State);

        GuestException error = await Assert.ThrowsAsync<GuestException>(Run);

        Assert.Equal(GuestErrorIds.GuestAgentMissing, error.ErrorId);
        Assert.Contains("qemu-guest-agent", error.RecommendedAction, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_board_that_goes_takes_its_questions_with_it()
    {
        Answer = (_, _) => null;
        Task<string> refused = Refused();
        await Task.Delay(20);

        Port.Close();

        Assert.Equal(GuestErrorIds.GuestAgentGone, await refused);
    }

    [Theory]
    [InlineData(true, GuestErrorIds.GuestCommandTimeout)]
    [InlineData(false, null)]
    public async Task A_command_that_takes_too_long_or_is_given_up_is_ended(bool hasTimeout, string? id)
    {
        Answers("psvm-exec", """{"pid": 7, "exited": false}""");
        Func<string, JsonElement, string?> knows = Answer;
        using CancellationTokenSource stop = new();
        Action giveUp = hasTimeout ? () => Time.Advance(Soon) : stop.Cancel;
        Answer = (request, arguments) =>
        {
            if (request != "psvm-exec-status")
            {
                return knows(request, arguments);
            }

            giveUp(); // once it runs
            return Return("""{"pid": 7, "exited": false}""");
        };
        GuestCommand command = new("sleep") { Timeout = hasTimeout ? Soon : Timeout.InfiniteTimeSpan };

        Task<GuestCommandResult> running = Agent.RunAsync(command, null, stop.Token);

        Exception error = await Assert.ThrowsAnyAsync<Exception>(() => running);

        Assert.Equal(id, (error as GuestException)?.ErrorId);
        Assert.True(hasTimeout || error is OperationCanceledException, $"{error}");
        Assert.Equal("psvm-exec-kill", Asked[^1]);
    }

    [Fact]
    public async Task Input_that_no_request_can_hold_is_refused()
    {
        GuestException error = await Assert.ThrowsAsync<GuestException>(() => Agent.RunAsync(
            new GuestCommand("cat") { Input = new byte[GuestCommand.MostInput + 1] }, null, CancellationToken.None));

        Assert.Equal(GuestErrorIds.GuestCommandInputTooLong, error.ErrorId);
        Assert.Empty(Asked);
    }

    [Fact]
    public async Task Interfaces_of_any_shape_are_read_as_far_as_they_make_sense()
    {
        Answer = (_, _) => Return("""
            [{"name": "lo", "ip-addresses": [{"ip-address": "127.0.0.1", "ip-address-type": "ipv4", "prefix": 8}]},
             {"name": "e\u001bth0", "hardware-address": "52:54:00:12:34:56", "ip-addresses": [{"ip-address": "fe80::1", "prefix": 64},
              {"ip-address": "no", "prefix": 1}, {"ip-address": "1.2.3.4", "prefix": 900}, 4, {}]}, 3, {"name": 1}, {"ip-addresses": 1}]
            """.ReplaceLineEndings(""));

        IReadOnlyList<GuestNetworkInterface> found = await Agent.GetNetworkAsync(CancellationToken.None);

        Assert.Equal(["lo", "e\\x1bth0"], found.Select(item => item.Name));
        Assert.Equal(["127.0.0.1/8", "fe80::1/64"], found.SelectMany(item => item.Addresses).Select(address => $"{address}"));
        Assert.Equal("52:54:00:12:34:56", found[1].HardwareAddress);
    }

    [Fact]
    public async Task A_clock_that_the_agent_set_too_late_is_set_again()
    {
        List<long> set = [];
        Answer = (request, arguments) =>
        {
            if (request == "guest-set-time")
            {
                set.Add(arguments.GetProperty("time").GetInt64());
            }

            return Return(request == "guest-get-time" ? $"{set[^1] - (set.Count == 1 ? 2_000_000_000 : 0)}" : "{}");
        };

        Assert.True(await Agent.SetClockAsync());

        Assert.Equal(2, set.Count);
        Assert.Equal(Time.GetUtcNow(), Agent.ClockSetAt);
        Assert.Equal(Time.GetUtcNow().ToUnixTimeMilliseconds(), set[^1] / 1_000_000);
    }

    [Fact]
    public async Task A_clock_that_is_as_late_as_the_answer_is_not_right()
    {
        // The first five requests take this guest half a second each.
        TimeSpan delay = TimeSpan.FromMilliseconds(500), late = default;
        Answer = (request, arguments) =>
        {
            Time.Advance(Asked.Count < 7 ? delay : TimeSpan.Zero);
            TimeSpan now = Time.GetUtcNow() - DateTimeOffset.UnixEpoch;
            if (request == "guest-set-time")
            {
                late = now - TimeSpan.FromTicks(arguments.GetProperty("time").GetInt64() / TimeSpan.NanosecondsPerTick);
            }

            return Return(request == "guest-get-time" ? $"{(now - late).Ticks * TimeSpan.NanosecondsPerTick}" : "{}");
        };

        Assert.True(await Agent.SetClockAsync());

        Assert.Equal(TimeSpan.Zero, late);
        Assert.Equal(4, Asked.Count(request => request == "guest-set-time"));
    }

    [Fact]
    public async Task A_clock_is_set_and_read_in_one_round_trip_with_what_begins_the_session()
    {
        List<string> written = [];
        Heard = written.Add;
        Answer = (request, _) => request == "guest-get-time" ? ReturnNow : Return("{}");

        Assert.True(await Agent.SetClockAsync());
        Assert.True(await Agent.SetClockAsync());

        Assert.Equal(["guest-sync-delimited", "guest-set-time", "guest-get-time", "guest-set-time", "guest-get-time"], Asked);
        Assert.Equal([3, 2], written.Select(text => text.Count(c => c == '\n')));
    }

    [Fact]
    public async Task A_time_that_cannot_be_set_but_is_right_is_right()
    {
        Answer = (request, _) => request == "guest-set-time"
            ? "{\"error\": {\"class\": \"GenericError\", \"desc\": \"hwclock\"}}\n"
            : ReturnNow;

        Assert.True(await Agent.SetClockAsync());
        Assert.NotNull(Agent.ClockSetAt);
    }

    [Fact]
    public async Task A_command_is_not_sent_to_who_has_not_said_that_it_is_there()
    {
        Agent.Patience = Soon;
        Syncs = false;
        Answer = (_, _) => null;

        Assert.Equal(GuestErrorIds.GuestAgentSilent, await Refused());
        Assert.Equal(["guest-sync-delimited"], Asked);
    }

    [Theory]
    [InlineData("{\"return\": {}}\n", true)]
    [InlineData(Unknown, false)]
    [InlineData("{\"error\": {\"class\": \"GenericError\", \"desc\": \"cannot set the address: error 1\"}}\n", false)]
    [InlineData("nonsense\n", false)]
    public async Task An_adapters_address_is_set_in_one_request_by_who_can(string answer, bool isSet)
    {
        List<string> written = [];
        Heard = written.Add;
        Answer = (_, _) => answer;

        Assert.Equal(isSet, await Agent.TrySetAddressAsync(new AdapterAddress(new(0x5254_0012_3456), new(0x5254_00ab_cdef))));

        Assert.Equal(["guest-sync-delimited", "psvm-set-address"], Asked);
        Assert.Contains("\"from\":\"52:54:00:12:34:56\",\"to\":\"52:54:00:ab:cd:ef\"", written[^1], StringComparison.Ordinal);
        Port.SetOpen(false);
        Assert.False(await Agent.TrySetAddressAsync(default));
    }

    [Fact]
    public async Task An_agent_that_cannot_set_the_clock_is_no_error()
    {
        Answer = (_, _) => Unknown;

        Assert.False(await Agent.SetClockAsync());
        Assert.Null(Agent.ClockSetAt);
        Assert.Equal(GuestAgentState.Answers, Agent.State);
    }

    private Task<GuestCommandResult> Run() => Agent.RunAsync(GuestCommand.Shell("x"), null, CancellationToken.None);

    private async Task<string> Refused() => (await Assert.ThrowsAsync<GuestException>(Run)).ErrorId;

    private void Answers(string request, string value) => Answer = (asked, _) => Return(asked == request ? value : "{}");
}
