using System.Text;
using PsVm.Machine.Devices;
using PsVm.Machine.Tests.Support;

namespace PsVm.Machine.Tests.Guests;

public class GuestConsoleTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    private readonly GuestConsole _console = new();

    [Fact]
    public void Reading_goes_on_where_the_last_read_ended()
    {
        Print("one ");
        ConsoleText first = _console.Read(0);
        Print("two");
        ConsoleText second = _console.Read(first.NextPosition);

        Assert.Equal(("one ", 4, 0), Parts(first));
        Assert.Equal(("two", 7, 0), Parts(second));
        Assert.Equal(("", 7, 0), Parts(_console.Read(second.NextPosition)));
        Assert.Equal(("", 7, 0), Parts(_console.Read(1000)));
        Assert.Equal(("", 7, 0), Parts(_console.Read(long.MaxValue)));
        Assert.Throws<ArgumentOutOfRangeException>(() => _console.Read(-1));
    }

    [Fact]
    public void A_piece_is_read_of_what_there_is_and_characters_stay_whole()
    {
        Print("one\U0001f600two");

        Assert.Equal(("on", 2, 0), Parts(_console.Read(0, limit: 2)));
        Assert.Equal(("one", 3, 0), Parts(_console.Read(0, limit: 4)));
        Assert.Equal(("\U0001f600", 5, 0), Parts(_console.Read(3, limit: 2)));
        Assert.Equal(("two", 8, 0), Parts(_console.Read(5, limit: int.MaxValue)));
        Assert.Throws<ArgumentOutOfRangeException>(() => _console.Read(0, limit: 1));
    }

    [Fact]
    public void When_text_came_is_known_to_some_milliseconds()
    {
        ManualTime time = new();
        GuestConsole console = new(time);
        foreach (string text in (string[])["a", "b", "c"])
        {
            console.Write(Encoding.UTF8.GetBytes(text));
            time.Advance(TimeSpan.FromMilliseconds(6));
        }

        console.Write("d"u8);
        time.Advance(TimeSpan.FromHours(1));

        ConsoleText all = console.Read(0);
        DateTimeOffset start = DateTimeOffset.UnixEpoch;
        Assert.Equal(
            [
                new ConsoleMoment(0, start, start + TimeSpan.FromMilliseconds(6)),
                new ConsoleMoment(2, start + TimeSpan.FromMilliseconds(12), start + TimeSpan.FromMilliseconds(18)),
            ],
            all.Moments);
        Assert.Equal([6, 6, 18, 18], Enumerable.Range(0, 4).Select(i => (all.TimeOf(i) - start).TotalMilliseconds));
        Assert.Equal(all.Moments.Skip(1), console.Read(3).Moments);
        Assert.Empty(console.Read(4).Moments);
    }

    [Fact]
    public void The_times_of_a_guest_that_prints_for_ever_are_bounded_and_in_order()
    {
        const int prints = 20 * ConsoleClock.Capacity;
        ManualTime time = new();
        GuestConsole console = new(time);
        for (int i = 0; i < prints; i++)
        {
            console.Write("y\n"u8);
            time.Advance(TimeSpan.FromMilliseconds(20));
        }

        ConsoleText all = console.Read(0);

        Assert.InRange(all.Moments.Count, ConsoleClock.Capacity / 2, ConsoleClock.Capacity);
        Assert.Equal(0, all.Moments[0].Position);
        Assert.All(all.Moments.Zip(all.Moments.Skip(1)), pair =>
        {
            Assert.True(pair.First.Position < pair.Second.Position);
            Assert.True(pair.First.First <= pair.First.Last && pair.First.Last < pair.Second.First);
        });
        Assert.Equal(DateTimeOffset.UnixEpoch + TimeSpan.FromMilliseconds(20 * (prints - 1)), all.TimeOf(all.NextPosition - 1));
    }

    [Fact]
    public void Times_of_text_that_is_lost_are_forgotten_first()
    {
        ManualTime time = new();
        GuestConsole console = new(time);
        byte[] page = Encoding.UTF8.GetBytes(new string('.', GuestConsole.OutputCapacity / 100));
        for (int i = 0; i < 2 * ConsoleClock.Capacity; i++)
        {
            console.Write(page);
            time.Advance(TimeSpan.FromMilliseconds(20));
        }

        IReadOnlyList<ConsoleMoment> moments = console.Read(0).Moments;

        // None of the hundred or so that are held was put together with another.
        Assert.InRange(moments.Count, 100, 102);
        Assert.All(moments, moment => Assert.Equal(moment.First, moment.Last));
    }

    [Fact]
    public void A_character_may_come_in_pieces()
    {
        byte[] bytes = Encoding.UTF8.GetBytes("a€b");

        foreach (byte value in bytes)
        {
            _console.Write([value]);
        }

        Assert.Equal(("a€b", 3, 0), Parts(_console.Read(0)));
    }

    [Fact]
    public void What_is_not_UTF8_shows_as_replacement_characters()
    {
        _console.Write([0xff, (byte)'x']);

        Assert.Equal("\ufffdx", _console.Read(0).Text);
    }

    [Fact]
    public void The_oldest_characters_are_lost_once_the_buffer_is_full()
    {
        const int beyond = 10;
        string line = new('.', 99);
        int lines = (GuestConsole.OutputCapacity / 100) + 1;
        for (int i = 0; i < lines; i++)
        {
            Print(line + "\n");
        }

        long total = 100L * lines;
        ConsoleText all = _console.Read(beyond);

        Assert.Equal(total, all.NextPosition);
        Assert.Equal(total - GuestConsole.OutputCapacity - beyond, all.Lost);
        Assert.Equal(GuestConsole.OutputCapacity, all.Text.Length);
        Assert.EndsWith(line + "\n", all.Text, StringComparison.Ordinal);
        Assert.Equal(total - GuestConsole.OutputCapacity, _console.Read(0).Lost);
    }

    [Theory]
    [InlineData("GUEST-UP")]
    [InlineData("aab", "a", "a", "a", "b")]
    [InlineData("abab!", "ab", "abab", "!")]
    public void A_text_is_found_when_it_was_printed_before(string text, params string[] pieces)
    {
        Array.ForEach(pieces.Length == 0 ? [text] : pieces, Print);

        Assert.True(WaitForText(text, TimeSpan.Zero));
    }

    [Fact]
    public async Task A_text_is_found_when_it_comes_in_pieces_around_the_call()
    {
        Print("xxGUE");
        Task<bool> wait = Task.Run(() => WaitForText("GUEST-UP", Patience));
        Print("ST");
        Print("-U");
        Print("P.");

        Assert.True(await wait);
    }

    [Fact]
    public async Task A_text_is_looked_for_from_a_position_on_and_its_end_is_told()
    {
        Print("GUEST-UP\n");

        Assert.Equal(8, _console.WaitForText("GUEST-UP", 0, TimeSpan.Zero, CancellationToken.None));
        Assert.Null(_console.WaitForText("GUEST-UP", 1, TimeSpan.Zero, CancellationToken.None));
        Task<long?> wait = Task.Run(() => _console.WaitForText("UP", 8, Patience, CancellationToken.None));
        Print("xUP and more");
        Assert.Equal(12, await wait);
    }

    [Fact]
    public async Task Several_may_wait_for_several_texts()
    {
        Task<bool> first = Task.Run(() => WaitForText("first", Patience));
        Task<bool> second = Task.Run(() => WaitForText("second", Patience));
        Print("second first");

        Assert.True(await first && await second);
    }

    [Fact]
    public void A_wait_ends_when_the_time_runs_out() =>
        Assert.False(WaitForText("never", TimeSpan.FromMilliseconds(1)));

    [Fact]
    public async Task A_wait_ends_when_the_console_is_closed()
    {
        Task<bool> wait = Task.Run(() => WaitForText("never", Patience));
        Print("something");
        _console.Close();

        Assert.False(await wait);
        Assert.False(WaitForText("never", Patience));
        Assert.True(WaitForText("thing", Patience));
    }

    [Fact]
    public async Task A_wait_can_be_cancelled()
    {
        using CancellationTokenSource cancellation = new();
        Task<bool> wait = Task.Run(() => WaitForText("never", Patience, cancellation.Token));
        await cancellation.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => wait);
    }

    [Fact]
    public void What_is_typed_is_taken_in_order_and_each_change_is_told()
    {
        int changes = 0;
        _console.InputChanged += () => changes++;

        Assert.True(_console.TryType("ü"));
        Assert.Equal((2, 1), (_console.InputCount, changes));
        Assert.True(_console.TryTakeInput(out byte first));
        Assert.True(_console.TryTakeInput(out byte second));
        Assert.False(_console.TryTakeInput(out _));

        Assert.Equal("ü", Encoding.UTF8.GetString([first, second]));
        Assert.Equal((0, 3), (_console.InputCount, changes));
    }

    [Fact]
    public void Input_that_does_not_fit_is_refused_as_a_whole()
    {
        Assert.True(_console.TryType(new string('x', GuestConsole.InputCapacity - 1)));
        Assert.False(_console.TryType("yz"));
        Assert.True(_console.TryType("y"));

        Assert.Equal(GuestConsole.InputCapacity, _console.InputCount);
    }

    [Fact]
    public void Several_threads_may_print_and_read_at_once()
    {
        const int writers = 4, each = 2000;
        Parallel.For(0, writers + 1, index =>
        {
            for (int i = 0; i < each; i++)
            {
                if (index == writers)
                {
                    _console.Read(i);
                }
                else
                {
                    Print("ab");
                }
            }
        });

        Assert.Equal(string.Concat(Enumerable.Repeat("ab", writers * each)), _console.Read(0).Text);
    }

    private bool WaitForText(string text, TimeSpan timeout, CancellationToken cancellation = default) =>
        _console.WaitForText(text, 0, timeout, cancellation) is not null;

    private static (string Text, long NextPosition, long Lost) Parts(ConsoleText text) => (text.Text, text.NextPosition, text.Lost);

    private void Print(string text) => _console.Write(Encoding.UTF8.GetBytes(text));
}
