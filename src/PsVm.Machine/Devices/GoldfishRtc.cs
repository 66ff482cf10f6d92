using PsVm.Machine.State;

namespace PsVm.Machine.Devices;

/// <summary>Google's goldfish real-time clock: nanoseconds since 1970, and an alarm.</summary>
/// <remarks>Source: Android's goldfish virtual hardware document, "Goldfish timer".</remarks>
internal sealed class GoldfishRtc : IDevice, IStateful, IDisposable
{
    private const ulong TimeLow = 0x00;
    private const ulong TimeHigh = 0x04;
    private const ulong AlarmLow = 0x08;
    private const ulong AlarmHigh = 0x0c;
    private const ulong InterruptEnabled = 0x10;
    private const ulong ClearAlarm = 0x14;
    private const ulong AlarmStatus = 0x18;
    private const ulong ClearInterrupt = 0x1c;

    // A clock of seconds needs no finer alarm, and what goes off costs the host more than it costs the guest.
    private const ulong LeastMilliseconds = 10;

    private readonly Lock _gate = new();
    private readonly TimeProvider _time;
    private readonly Action<bool> _setInterrupt;
    private readonly ITimer _timer;

    private long _offset;
    private uint _latchedHigh;
    private ulong _alarm;
    private bool _alarmArmed;
    private bool _interruptEnabled;
    private bool _interruptPending;
    private bool _paused;

    /// <param name="time">The host's clock.</param>
    /// <param name="setInterrupt">Sets the level of the interrupt line.</param>
    public GoldfishRtc(TimeProvider time, Action<bool> setInterrupt)
    {
        _time = time;
        _setInterrupt = setInterrupt;
        _timer = time.CreateTimer(_ => OnAlarm(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>What boards know of it.</summary>
    public static DeviceKind Kind { get; } = new()
    {
        Node = "rtc",
        Compatible = ["google,goldfish-rtc"],
        Size = 0x1000,
        Interrupts = 1,
        Create = wires => new GoldfishRtc(wires.Time, wires.Interrupts[0].Set),
    };

    public bool TryRead(ulong offset, int size, out ulong value)
    {
        value = 0;
        if (size != 4)
        {
            return false;
        }

        lock (_gate)
        {
            switch (offset)
            {
                case TimeLow:
                    // Reading the low half latches the high half, so that the two belong together.
                    ulong now = Now();
                    _latchedHigh = (uint)(now >> 32);
                    value = (uint)now;
                    break;
                case TimeHigh:
                    value = _latchedHigh;
                    break;
                case AlarmLow:
                    value = (uint)_alarm;
                    break;
                case AlarmHigh:
                    value = (uint)(_alarm >> 32);
                    break;
                case InterruptEnabled:
                    value = _interruptEnabled ? 1u : 0;
                    break;
                case AlarmStatus:
                    value = _alarmArmed ? 1u : 0;
                    break;
            }
        }

        return true;
    }

    public bool TryWrite(ulong offset, int size, ulong value)
    {
        if (size != 4)
        {
            return false;
        }

        uint word = (uint)value;
        lock (_gate)
        {
            switch (offset)
            {
                case TimeLow:
                    _offset += (long)(((ulong)_latchedHigh << 32 | word) - Now());
                    break;
                case TimeHigh:
                    _latchedHigh = word;
                    break;
                case AlarmLow:
                    // The driver writes the high half first; the low half arms.
                    _alarm = (_alarm & 0xffff_ffff_0000_0000) | word;
                    _alarmArmed = true;
                    SetTimer();
                    break;
                case AlarmHigh:
                    _alarm = (uint)_alarm | ((ulong)word << 32);
                    break;
                case InterruptEnabled:
                    _interruptEnabled = (word & 1) != 0;
                    break;
                case ClearAlarm:
                    _alarmArmed = false;
                    StopTimer();
                    break;
                case ClearInterrupt:
                    _interruptPending = false;
                    break;
            }

            UpdateInterrupt();
        }

        return true;
    }

    public void Pause()
    {
        lock (_gate)
        {
            _paused = true;
            StopTimer();
        }
    }

    public void Resume()
    {
        lock (_gate)
        {
            _paused = false;
            if (_alarmArmed)
            {
                SetTimer(); // an alarm that passed meanwhile goes off now
                UpdateInterrupt();
            }
        }
    }

    public void Transfer(StateStream state)
    {
        lock (_gate)
        {
            state.Transfer(ref _offset);
            state.Transfer(ref _latchedHigh);
            state.Transfer(ref _alarm);
            state.Transfer(ref _alarmArmed);
            state.Transfer(ref _interruptEnabled);
            state.Transfer(ref _interruptPending);
            if (state.IsReading && _alarmArmed)
            {
                SetTimer(); // an alarm that passed meanwhile goes off now
            }

            UpdateInterrupt();
        }
    }

    public void Dispose() => _timer.Dispose();

    private ulong Now() => (ulong)((_time.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks * TimeSpan.NanosecondsPerTick + _offset);

    private void OnAlarm()
    {
        lock (_gate)
        {
            if (_alarmArmed && !_paused)
            {
                SetTimer();
                UpdateInterrupt();
            }
        }
    }

    private void StopTimer() => _timer.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);

    private void SetTimer()
    {
        ulong now = Now();
        if (_alarm <= now)
        {
            _alarmArmed = false;
            _interruptPending = true;
            return;
        }

        // Host timers reach some weeks; a later alarm takes several steps.
        ulong milliseconds = Math.Clamp((_alarm - now) / 1_000_000 + 1, LeastMilliseconds, int.MaxValue);
        _timer.Change(TimeSpan.FromMilliseconds(milliseconds), Timeout.InfiniteTimeSpan);
    }

    private void UpdateInterrupt() => _setInterrupt(_interruptPending && _interruptEnabled);
}
