using PsVm.Machine.Guests;

namespace PsVm.Machine.Tests.Overcommit;

/// <summary>Who is held when memory runs out, and how often it is looked at: by numbers alone.</summary>
public sealed class OvercommitDecisionTests
{
    private const long Reserve = 64 << 20;

    [Theory]
    [InlineData(Reserve + 1, new[] { 1L << 30 }, null)] // there is room
    [InlineData(Reserve, new long[] { }, null)]
    [InlineData(Reserve, new[] { 4L << 20, 5L << 20, 3L << 20 }, 1)]
    [InlineData(Reserve, new[] { 4L << 20, 1L << 20 }, null)] // a sixteenth of the reserve: they live on as they did
    [InlineData(Reserve / 2, new[] { 3L << 20, 1L << 20 }, 0)] // in the lower half nobody may grow
    [InlineData(Reserve / 2, new[] { 64L << 10, 0L }, null)] // but by what is harmless
    [InlineData(-1, new[] { -5L << 20, 65L << 10 }, 1)]
    public void The_one_that_grew_most_is_held_when_that_is_much(long available, long[] growths, int? held) =>
        Assert.Equal(held, OvercommitDecision.Choose(available, Reserve, growths));

    [Theory]
    [InlineData(10L << 30, 64 << 20)]
    [InlineData(Reserve + (100 << 20), 50 << 20)]
    [InlineData(Reserve + 1, 2 << 20)]
    [InlineData(Reserve, 2 << 20)]
    [InlineData(-1, 2 << 20)]
    public void The_nearer_the_reserve_is_the_sooner_is_looked_again(long available, long allowance) =>
        Assert.Equal(allowance, OvercommitDecision.Allowance(available, Reserve));

    [Fact]
    public void Whoever_grows_at_any_speed_is_held_before_half_of_the_reserve_is_gone()
    {
        // By steps of the allowance, which is what guests touch between two looks, and with what slices that run then bring.
        foreach (long slices in new[] { 0L, 1 << 20, 8 << 20 })
        {
            long available = 2L << 30, grown = 0;
            long? baseline = null;
            while (OvercommitDecision.Choose(available, Reserve, baseline is { } from ? [0, grown - from] : []) is null)
            {
                baseline ??= available <= Reserve ? grown : null;
                long step = OvercommitDecision.Allowance(available, Reserve) + slices;
                (available, grown) = (available - step, grown + step);
            }

            Assert.InRange(available, (Reserve / 2) - slices, Reserve);
        }
    }
}
