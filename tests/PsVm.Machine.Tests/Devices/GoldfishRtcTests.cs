using PsVm.Machine.Devices;
using PsVm.Machine.Tests.Support;

namespace PsVm.Machine.Tests.Devices;

public sealed class GoldfishRtcTests : IDisposable
{
    private const ulong TimeLow = 0x00, TimeHigh = 0x04, AlarmLow = 0x08, AlarmHigh = 0x0c;
    private const ulong InterruptEnabled = 0x10, ClearAlarm = 0x14, AlarmStatus = 0x18, ClearInterrupt = 0x1c;

    private readonly ManualTime _time = new();
    private readonly GoldfishRtc _rtc;
    private bool _interrupt;

    public GoldfishRtcTests() => _rtc = new GoldfishRtc(_time, level => _interrupt = level);

    public void Dispose() => _rtc.Dispose();

    [Fact]
    public void It_tells_the_hosts_time_in_nanoseconds()
    {
        _time.Advance(TimeSpan.FromSeconds(20));

        Assert.Equal(20_000_000_000ul, ReadTime());
    }

    [Fact]
    public void The_high_half_belongs_to_the_low_half_that_was_read_last()
    {
        _time.Advance(TimeSpan.FromSeconds(4));
        _rtc.Read(TimeLow);
        _time.Advance(TimeSpan.FromSeconds(4));

        Assert.Equal(0ul, _rtc.Read(TimeHigh));
        _rtc.Read(TimeLow);
        Assert.Equal(1ul, _rtc.Read(TimeHigh));
    }

    [Fact]
    public void It_goes_on_from_the_time_the_guest_sets()
    {
        _time.Advance(TimeSpan.FromSeconds(7));
        WriteWide(TimeHigh, TimeLow, 123_000_000_000);
        _time.Advance(TimeSpan.FromSeconds(1));

        Assert.Equal(124_000_000_000ul, ReadTime());
    }

    [Fact]
    public void An_alarm_interrupts_when_its_time_comes_and_until_it_is_cleared()
    {
        _rtc.Write(InterruptEnabled, 1);
        WriteWide(AlarmHigh, AlarmLow, 10_000_000_000);
        Assert.Equal((1ul, 10_000_000_000ul), (_rtc.Read(AlarmStatus), _rtc.Read(AlarmLow) | _rtc.Read(AlarmHigh) << 32));

        _time.Advance(TimeSpan.FromSeconds(9));
        Assert.False(_interrupt);
        _time.Advance(TimeSpan.FromSeconds(2));
        Assert.True(_interrupt);
        Assert.Equal(0ul, _rtc.Read(AlarmStatus));

        _rtc.Write(ClearInterrupt, 1);
        Assert.False(_interrupt);
    }

    [Fact]
    public void An_alarm_in_the_past_interrupts_at_once()
    {
        _time.Advance(TimeSpan.FromSeconds(9));
        _rtc.Write(InterruptEnabled, 1);
        Assert.Equal(1ul, _rtc.Read(InterruptEnabled));

        WriteWide(AlarmHigh, AlarmLow, 1_000_000_000);

        Assert.True(_interrupt);
    }

    [Fact]
    public void A_cleared_alarm_does_not_interrupt()
    {
        _rtc.Write(InterruptEnabled, 1);
        WriteWide(AlarmHigh, AlarmLow, 1_000_000_000);
        _rtc.Write(ClearAlarm, 1);

        _time.Advance(TimeSpan.FromSeconds(5));

        Assert.False(_interrupt);
        Assert.Equal(0ul, _rtc.Read(AlarmStatus));
    }

    [Fact]
    public void An_alarm_beyond_the_reach_of_the_hosts_timers_still_comes()
    {
        _rtc.Write(InterruptEnabled, 1);
        WriteWide(AlarmHigh, AlarmLow, (ulong)TimeSpan.FromDays(40).TotalSeconds * 1_000_000_000);

        _time.Advance(TimeSpan.FromDays(30));
        Assert.False(_interrupt);
        _time.Advance(TimeSpan.FromDays(11));
        Assert.True(_interrupt);
    }

    [Fact]
    public void An_interrupt_shows_only_when_enabled()
    {
        WriteWide(AlarmHigh, AlarmLow, 0);
        Assert.False(_interrupt);

        _rtc.Write(InterruptEnabled, 1);
        Assert.True(_interrupt);
    }

    [Fact]
    public void Only_words_are_registers()
    {
        Assert.False(_rtc.TryRead(TimeLow, 8, out _));
        Assert.False(_rtc.TryWrite(TimeLow, 8, 0));
    }

    [Fact]
    public void An_alarm_waits_while_the_guest_is_held()
    {
        _rtc.Write(InterruptEnabled, 1);
        WriteWide(AlarmHigh, AlarmLow, 1_000_000_000);

        _rtc.Pause();
        _time.Advance(TimeSpan.FromSeconds(5));
        Assert.False(_interrupt);
        Assert.Equal(1ul, _rtc.Read(AlarmStatus));

        _rtc.Resume();
        Assert.True(_interrupt);
    }

    [Fact]
    public void However_many_alarms_a_guest_sets_the_host_is_called_a_hundred_times_a_second_at_most()
    {
        _rtc.Write(InterruptEnabled, 1);
        int calls = 0;
        for (int microsecond = 0; microsecond < 100_000; microsecond += 100)
        {
            WriteWide(AlarmHigh, AlarmLow, ReadTime() + 1);
            _time.Advance(TimeSpan.FromMicroseconds(100));
            calls += _interrupt ? 1 : 0;
            _rtc.Write(ClearInterrupt, 1);
        }

        Assert.InRange(calls, 0, 10);
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.True(_interrupt);
    }

    private ulong ReadTime() => _rtc.Read(TimeLow) | _rtc.Read(TimeHigh) << 32;

    private void WriteWide(ulong high, ulong low, ulong value)
    {
        _rtc.Write(high, value >> 32);
        _rtc.Write(low, (uint)value);
    }
}
