using PsVm.Machine.Board;
using PsVm.Machine.Devices;
using PsVm.Machine.Tests.Support;
using PsVm.Riscv;

namespace PsVm.Machine.Tests.Firmware;

/// <summary>SBI specification 3.0, chapter "System Suspend Extension".</summary>
public sealed class SystemSuspendTests : IDisposable
{
    private const ulong Suspend = 0x5355_5350;
    private const int SupervisorInterruptEnable = 0x104, TimerCompare = 0x14d, Satp = 0x180;

    private readonly SbiHarts _sbi = new();

    public void Dispose() => _sbi.Dispose();

    [Fact]
    public void The_last_hart_sleeps_until_an_interrupt_and_goes_on_where_it_says()
    {
        Hart hart = _sbi.Harts[0];
        hart.TryWriteCsr(SupervisorInterruptEnable, 1 << 9);
        hart.TryWriteCsr(Satp, 8ul << 60);

        _sbi.Call(Suspend, 0, 0, SbiHarts.Entry + 8, 99);
        Assert.Equal(HartActivity.Wait, _sbi.Sbi.Prepare(hart));
        Assert.Equal((SbiHarts.Success, 4ul), _sbi.Call(_sbi.Harts[1], SbiHarts.HartState, 2, 0));

        hart.SetInterrupt(InterruptLines.SupervisorExternal, true);
        Assert.Equal(HartActivity.Run, _sbi.Sbi.Prepare(hart));
        Assert.Equal((SbiHarts.Entry + 8, 0ul, 99ul, PrivilegeMode.Supervisor), (hart.Pc, hart[10], hart[11], hart.Mode));
        Assert.True(hart.TryReadCsr(Satp, out ulong satp) && satp == 0);
    }

    [Fact]
    public void A_timer_that_is_armed_wakes_it()
    {
        Hart hart = _sbi.Harts[0];
        hart.TryWriteCsr(SupervisorInterruptEnable, 1 << 5);
        hart.TryWriteCsr(TimerCompare, ulong.MaxValue);
        _sbi.Call(Suspend, 0, 0, SbiHarts.Entry, 0);
        Assert.Equal(HartActivity.Wait, _sbi.Sbi.Prepare(hart));

        hart.TryWriteCsr(TimerCompare, 0);

        Assert.Equal(HartActivity.Run, _sbi.Sbi.Prepare(hart));
    }

    [Theory]
    [InlineData(1, SbiHarts.Entry, SbiHarts.InvalidParameter)]
    [InlineData(0x8000_0000, SbiHarts.Entry, SbiHarts.InvalidParameter)]
    [InlineData(0, 0x1000, SbiHarts.InvalidAddress)]
    [InlineData(0, ulong.MaxValue, SbiHarts.InvalidAddress)]
    public void Another_type_of_sleep_or_no_RAM_to_go_on_in_is_refused(ulong type, ulong resume, long error)
    {
        Assert.Equal((error, 0ul), _sbi.Call(Suspend, 0, type, resume, 0));
        Assert.Equal(HartActivity.Run, _sbi.Sbi.Prepare(_sbi.Harts[0]));
    }

    [Fact]
    public void It_is_denied_while_another_hart_is_not_stopped()
    {
        _sbi.Call(SbiHarts.HartState, 0, 1, SbiHarts.Entry, 0);
        Assert.Equal((SbiHarts.Denied, 0ul), _sbi.Call(Suspend, 0, 0, SbiHarts.Entry, 0));
        _sbi.Sbi.Prepare(_sbi.Harts[1]);
        Assert.Equal((SbiHarts.Denied, 0ul), _sbi.Call(Suspend, 0, 0, SbiHarts.Entry, 0));
        _sbi.Call(_sbi.Harts[1], SbiHarts.HartState, 1);
        Assert.Equal((SbiHarts.Denied, 0ul), _sbi.Call(Suspend, 0, 0, SbiHarts.Entry, 0));

        Assert.Equal(HartActivity.None, _sbi.Sbi.Prepare(_sbi.Harts[1]));
        _sbi.Call(Suspend, 0, 0, SbiHarts.Entry, 0);
        Assert.Equal(HartActivity.Wait, _sbi.Sbi.Prepare(_sbi.Harts[0]));
    }

    [Fact]
    public void A_source_that_is_raised_wakes_it_even_where_it_is_masked()
    {
        Hart hart = _sbi.Harts[0];
        _sbi.Sbi.WakeMachine(); // not asleep
        _sbi.Call(Suspend, 0, 0, SbiHarts.Entry + 8, 99);
        Assert.Equal(HartActivity.Wait, _sbi.Sbi.Prepare(hart));
        _sbi.Lines.Woken.Clear();

        _sbi.Sbi.WakeMachine();

        Assert.Equal([0], _sbi.Lines.Woken);
        using SbiHarts clone = new();
        clone.Restore(_sbi.Save());
        Assert.Equal(HartActivity.Run, clone.Sbi.Prepare(clone.Harts[0]));
        Assert.Equal(HartActivity.Run, _sbi.Sbi.Prepare(hart));
        Assert.Equal((SbiHarts.Entry + 8, 99ul), (hart.Pc, hart[11]));
        _sbi.Call(SbiHarts.HartState, 3, 0x8000_0000, SbiHarts.Entry, 0);
        _sbi.Sbi.WakeMachine(); // a hart's own suspension is another matter
        Assert.Equal(HartActivity.Wait, _sbi.Sbi.Prepare(hart));
    }

    [Fact]
    public void The_clocks_alarm_wakes_it()
    {
        ManualTime time = new();
        Plic plic = new(2, new WakingLines(_sbi.Sbi, _sbi.Lines));
        using GoldfishRtc rtc = new(time, level => plic.SetLevel(11, level));
        rtc.Write(0x0c, 0);
        rtc.Write(0x08, 2_000_000_000);
        rtc.Write(0x10, 1);
        _sbi.Call(Suspend, 0, 0, SbiHarts.Entry, 0);
        time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(HartActivity.Wait, _sbi.Sbi.Prepare(_sbi.Harts[0]));

        time.Advance(TimeSpan.FromSeconds(2));

        Assert.Equal(HartActivity.Run, _sbi.Sbi.Prepare(_sbi.Harts[0]));
    }

    [Fact]
    public void It_sleeps_on_in_a_clone()
    {
        _sbi.Call(Suspend, 0, 0, SbiHarts.Entry + 4, 7);
        using SbiHarts clone = new();
        clone.Restore(_sbi.Save());

        Assert.Equal(HartActivity.Wait, clone.Sbi.Prepare(clone.Harts[0]));
        clone.Harts[0].TryWriteCsr(SupervisorInterruptEnable, 1 << 9);
        clone.Harts[0].SetInterrupt(InterruptLines.SupervisorExternal, true);
        Assert.Equal(HartActivity.Run, clone.Sbi.Prepare(clone.Harts[0]));
        Assert.Equal((SbiHarts.Entry + 4, 7ul), (clone.Harts[0].Pc, clone.Harts[0][11]));
    }

    [Fact]
    public void A_clone_that_sleeps_is_woken_by_its_new_generation()
    {
        _sbi.Call(Suspend, 0, 0, SbiHarts.Entry + 4, 7);
        using SbiHarts clone = new();
        clone.Restore(_sbi.Save());
        Plic plic = new(2, new WakingLines(clone.Sbi, clone.Lines));

        new GenerationId(() => plic.Pulse(12)).Renew();

        Assert.Equal(HartActivity.Run, clone.Sbi.Prepare(clone.Harts[0]));
        Assert.Equal((SbiHarts.Entry + 4, 7ul), (clone.Harts[0].Pc, clone.Harts[0][11]));
    }

    /// <summary>Lines of a board that tells its SBI of sources, as the real one does.</summary>
    private sealed class WakingLines(ISupervisorEnvironment environment, IHartLines lines) : IHartLines
    {
        public void SetInterrupt(int hart, InterruptLines interrupts, bool level) => lines.SetInterrupt(hart, interrupts, level);

        public void Wake(int hart) => lines.Wake(hart);

        public void NoteSource() => environment.WakeMachine();

        public ulong GetTimer(int hart) => lines.GetTimer(hart);

        public void SetTimer(int hart, ulong compare) => lines.SetTimer(hart, compare);
    }
}
