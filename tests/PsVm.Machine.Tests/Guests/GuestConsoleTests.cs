using System.Text;
using PsVm.Machine.Devices;

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

        Assert.Equal(new ConsoleText("one ", 4, 0), first);
        Assert.Equal(new ConsoleText("two", 7, 0), second);
        Assert.Equal(new ConsoleText("", 7, 0), _console.Read(second.NextPosition));
        Assert.Equal(new ConsoleText("", 7, 0), _console.Read(1000));
        Assert.Throws<ArgumentOutOfRangeException>(() => _console.Read(-1));
    }

    [Fact]
    public void A_character_may_come_in_pieces()
    {
        byte[] bytes = Encoding.UTF8.GetBytes("a€b");

        foreach (byte value in bytes)
        {
            _console.Write([value]);
        }

        Assert.Equal(new ConsoleText("a€b", 3, 0), _console.Read(0));
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

        Assert.True(_console.WaitForText(text, TimeSpan.Zero, CancellationToken.None));
    }

    [Fact]
    public async Task A_text_is_found_when_it_comes_in_pieces_around_the_call()
    {
        Print("xxGUE");
        Task<bool> wait = Task.Run(() => _console.WaitForText("GUEST-UP", Patience, CancellationToken.None));
        Print("ST");
        Print("-U");
        Print("P.");

        Assert.True(await wait);
    }

    [Fact]
    public async Task Several_may_wait_for_several_texts()
    {
        Task<bool> first = Task.Run(() => _console.WaitForText("first", Patience, CancellationToken.None));
        Task<bool> second = Task.Run(() => _console.WaitForText("second", Patience, CancellationToken.None));
        Print("second first");

        Assert.True(await first && await second);
    }

    [Fact]
    public void A_wait_ends_when_the_time_runs_out() =>
        Assert.False(_console.WaitForText("never", TimeSpan.FromMilliseconds(1), CancellationToken.None));

    [Fact]
    public async Task A_wait_ends_when_the_console_is_closed()
    {
        Task<bool> wait = Task.Run(() => _console.WaitForText("never", Patience, CancellationToken.None));
        Print("something");
        _console.Close();

        Assert.False(await wait);
        Assert.False(_console.WaitForText("never", Patience, CancellationToken.None));
        Assert.True(_console.WaitForText("thing", Patience, CancellationToken.None));
    }

    [Fact]
    public async Task A_wait_can_be_cancelled()
    {
        using CancellationTokenSource cancellation = new();
        Task<bool> wait = Task.Run(() => _console.WaitForText("never", Patience, cancellation.Token));
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

    private void Print(string text) => _console.Write(Encoding.UTF8.GetBytes(text));
}
