using System.Runtime.InteropServices;
using System.Text;
using PsVm.Machine.Board;
using PsVm.Machine.Devices;
using PsVm.Machine.Firmware;
using PsVm.Machine.Tests.Support;
using PsVm.Riscv;
using PsVm.Riscv.Tests;

namespace PsVm.Machine.Tests.Boot;

/// <summary>The calls of the SBI specification 3.0, one by one, and mostly on harts that do not run.</summary>
public sealed class SbiTests : IDisposable
{
    private const ulong Base = 0x10, Timer = 0x54494d45, Ipi = 0x735049, Fence = 0x52464e43, HartState = 0x48534d;
    private const ulong Reset = 0x53525354, DebugConsole = 0x4442434e;
    private const long Success = 0, NotSupported = -2, InvalidParameter = -3, InvalidAddress = -5, AlreadyAvailable = -6;
    private const ulong Started = 0, Stopped = 1, StartPending = 2, StopPending = 3, Suspended = 4;

    private const int SupervisorTimerCompare = 0x14d;
    private const ulong Entry = MemoryMap.RamStart + 0x1000, Rom = MemoryMap.RamStart + 0x2_0000;

    private readonly TestRam _ram = new((0x1_0000, false), (0x1_0000, false), (0x1000, true));
    private readonly GuestConsole _console = new();
    private readonly FakeHarts _lines = new(3);
    private readonly Hart[] _harts = new Hart[3];
    private readonly List<(PowerRequest Request, uint Code)> _power = [];
    private readonly Sbi _sbi;
    private Action _onPower = () => { };

    public SbiTests()
    {
        _sbi = new Sbi(_harts, _lines, _ram.Memory, _console, (request, code) =>
        {
            _power.Add((request, code));
            _onPower();
        });
        GuestClock clock = new();
        for (int hart = 0; hart < _harts.Length; hart++)
        {
            _harts[hart] = new Hart(hart, _ram.Memory.Physical, new DeviceBus(), clock, _sbi);
        }

        _sbi.Start(0, Entry, 0x1234);
        _sbi.Prepare(_harts[0]);
    }

    public void Dispose()
    {
        Array.ForEach(_harts, hart => hart.Dispose());
        _ram.Dispose();
    }

    [Fact]
    public void The_base_extension_tells_what_there_is()
    {
        Assert.Equal((Success, 0x0300_0000ul), Call(Base, 0));
        Assert.Equal(Success, Call(Base, 1).Error);
        Assert.Equal(Success, Call(Base, 2).Error);
        Assert.Equal((Success, 0ul), Call(Base, 4));
        Assert.Equal((Success, 0ul), Call(Base, 5));
        Assert.Equal((Success, 0ul), Call(Base, 6));
        Assert.Equal(NotSupported, Call(Base, 7).Error);
    }

    [Theory]
    [InlineData(Base, 1)]
    [InlineData(Timer, 1)]
    [InlineData(Ipi, 1)]
    [InlineData(Fence, 1)]
    [InlineData(HartState, 1)]
    [InlineData(Reset, 1)]
    [InlineData(DebugConsole, 1)]
    [InlineData(1, 1)] // the legacy console
    [InlineData(4, 0)] // legacy interrupts take pointers, and no kernel of today needs them
    [InlineData(0x504d55, 1)] // performance monitoring
    [InlineData(0x53555350, 1)] // system suspend
    [InlineData(0x46574654, 1)] // firmware features
    [InlineData(0x4d505859, 0)] // message proxy
    [InlineData(ulong.MaxValue, 0)]
    public void A_probe_finds_the_extensions_that_are_there(ulong extension, ulong found) =>
        Assert.Equal((Success, found), Call(Base, 3, extension));

    [Theory]
    [InlineData(0x504d55, 7)]
    [InlineData(0x53555350, 1)]
    [InlineData(0x46574654, 2)]
    [InlineData(0x4d505859, 0)]
    [InlineData(Timer, 1)]
    [InlineData(Ipi, 1)]
    [InlineData(Fence, 3)]
    [InlineData(HartState, 4)]
    [InlineData(Reset, 1)]
    [InlineData(DebugConsole, 3)]
    public void What_is_not_there_is_not_supported(ulong extension, ulong function) =>
        Assert.Equal((NotSupported, 0ul), Call(extension, function));

    [Fact]
    public void A_hart_starts_in_supervisor_mode_with_its_number_and_an_argument()
    {
        Hart hart = _harts[0];

        Assert.Equal((PrivilegeMode.Supervisor, Entry), (hart.Mode, hart.Pc));
        Assert.Equal((0ul, 0x1234ul), (hart[10], hart[11]));
        Assert.Equal(0ul, Csr(hart, 0x180)); // satp
        Assert.Equal(0x222ul, Csr(hart, 0x303)); // mideleg
        Assert.Equal(0xb1fful, Csr(hart, 0x302)); // medeleg: all but its calls, bit 9
        Assert.Equal(1ul << 63, Csr(hart, 0x30a)); // the supervisor has its own timer
        Assert.Equal(7ul, Csr(hart, 0x306)); // and counters
        Assert.Equal(0x1ful, Csr(hart, 0x3a0)); // one PMP entry: all of memory
    }

    [Fact]
    public void The_timer_is_the_supervisors_comparator()
    {
        Assert.Equal((Success, 0ul), Call(Timer, 0, 0x1122334455));
        Assert.Equal(0x1122334455ul, Csr(_harts[0], SupervisorTimerCompare));

        Assert.Equal(0ul, LegacyCall(0, 0x99));
        Assert.Equal(0x99ul, Csr(_harts[0], SupervisorTimerCompare));
    }

    [Theory]
    [InlineData(0b101, 0, new[] { 0, 2 })]
    [InlineData(0b11, 1, new[] { 1, 2 })]
    [InlineData(0, ulong.MaxValue, new[] { 0, 1, 2 })]
    [InlineData(0, 0, new int[0])]
    public void An_interrupt_goes_to_the_harts_of_the_mask(ulong mask, ulong first, int[] harts)
    {
        Assert.Equal((Success, 0ul), Call(Ipi, 0, mask, first));

        for (int hart = 0; hart < _harts.Length; hart++)
        {
            Assert.Equal(harts.Contains(hart) ? InterruptLines.SupervisorSoftware : InterruptLines.None, _lines[hart]);
        }
    }

    [Theory]
    [InlineData(0b1000, 0)]
    [InlineData(0b100, 1)]
    [InlineData(1, 3)]
    [InlineData(1, 1000)]
    [InlineData(1ul << 63, 1)]
    public void A_mask_with_a_hart_that_is_not_there_reaches_none(ulong mask, ulong first)
    {
        Assert.Equal((InvalidParameter, 0ul), Call(Ipi, 0, mask, first));
        Assert.Equal((InvalidParameter, 0ul), Call(Fence, 0, mask, first));

        Assert.All(Enumerable.Range(0, 3), hart => Assert.Equal(InterruptLines.None, _lines[hart]));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public void Fences_of_harts_that_do_not_run_need_no_waiting(ulong function) =>
        Assert.Equal((Success, 0ul), Call(Fence, function, 0, ulong.MaxValue));

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void Harts_that_fence_each_other_at_the_same_time_all_go_on(ulong function)
    {
        const int rounds = 18;
        const ulong calls = 5_000;
        Write(
            Entry, Asm.Addi(Asm.A0, Asm.Zero, 0), Asm.Addi(Asm.A1, Asm.Zero, -1), Asm.Ecall, Asm.Addi(rounds, rounds, -1),
            Asm.Bne(rounds, Asm.Zero, -16), Asm.Jal(Asm.Zero, 0));
        Call(HartState, 0, 1, Entry);
        Call(HartState, 0, 2, Entry);
        Thread[] threads = [.. _harts.Select(hart => new Thread(() =>
        {
            _sbi.Prepare(hart);
            (hart.Pc, hart[16], hart[17], hart[rounds]) = (Entry, function, Fence, calls);
            while (hart[rounds] != 0)
            {
                hart.Run(10_000);
            }
        }) { IsBackground = true })];
        Array.ForEach(threads, thread => thread.Start());
        Assert.All(threads, thread => Assert.True(thread.Join(TimeSpan.FromMinutes(1))));
    }

    [Fact]
    public void A_fence_waits_for_a_target_that_is_busy()
    {
        using var entered = new ManualResetEventSlim();
        using var leave = new ManualResetEventSlim();
        Write(Entry, Asm.Ecall, Asm.Jal(Asm.Zero, 0));
        Call(HartState, 0, 1, Entry);
        _sbi.Prepare(_harts[1]);
        _onPower = () =>
        {
            entered.Set();
            leave.Wait();
        };
        (_harts[1][17], _harts[1][16]) = (Reset, 0);
        (_harts[1][10], _harts[1][11]) = (0, 0);
        var target = new Thread(() => _harts[1].Run(10));
        var caller = new Thread(() => Call(Fence, 1, 2, 0));
        target.Start();
        entered.Wait();
        caller.Start();
        bool waited = !caller.Join(TimeSpan.FromMilliseconds(50));
        leave.Set();

        Assert.True(caller.Join(TimeSpan.FromMinutes(1)) && target.Join(TimeSpan.FromMinutes(1)));
        Assert.True(waited, "the target could have gone on with what it knew");
    }

    [Fact]
    public void A_hart_that_starts_again_runs_the_code_that_is_there_now()
    {
        Hart hart = _harts[1];
        Write(Entry, Asm.Addi(Asm.A2, Asm.Zero, 1), Asm.Jal(Asm.Zero, 0));
        Start();
        Assert.Equal(1ul, hart[Asm.A2]);

        Call(hart, HartState, 1);
        _sbi.Prepare(hart);
        hart.Run(0);
        Write(Entry, Asm.Addi(Asm.A2, Asm.Zero, 2));
        Start();
        Assert.Equal(2ul, hart[Asm.A2]);

        void Start()
        {
            Call(HartState, 0, 1, Entry);
            _sbi.Prepare(hart);
            hart.Run(10);
        }
    }

    [Fact]
    public void A_hart_is_started_once_and_then_runs()
    {
        Assert.Equal((Success, Stopped), Call(HartState, 2, 1));
        Assert.Equal(HartActivity.None, _sbi.Prepare(_harts[1]));

        Assert.Equal((Success, 0ul), Call(HartState, 0, 1, Entry, 77));
        Assert.Equal([0, 1], _lines.Woken);
        Assert.Equal((Success, StartPending), Call(HartState, 2, 1));
        Assert.Equal((AlreadyAvailable, 0ul), Call(HartState, 0, 1, Entry, 78));

        Assert.Equal(HartActivity.Run, _sbi.Prepare(_harts[1]));
        Assert.Equal((Success, Started), Call(HartState, 2, 1));
        Assert.Equal((Entry, 1ul, 77ul), (_harts[1].Pc, _harts[1][10], _harts[1][11]));
        Assert.Equal((AlreadyAvailable, 0ul), Call(HartState, 0, 1, Entry, 79));
    }

    [Fact]
    public void A_start_of_no_hart_or_outside_RAM_is_refused()
    {
        Assert.Equal((InvalidParameter, 0ul), Call(HartState, 0, 3, Entry));
        Assert.Equal((InvalidAddress, 0ul), Call(HartState, 0, 1, 0x1000));
        Assert.Equal((InvalidAddress, 0ul), Call(HartState, 0, 1, 0x8000_0001)); // no hart has an odd pc
        Assert.Equal((InvalidParameter, 0ul), Call(HartState, 2, 3));
    }

    [Fact]
    public void A_hart_that_stops_can_be_started_again()
    {
        Call(HartState, 0, 1, Entry);
        _sbi.Prepare(_harts[1]);

        Call(_harts[1], HartState, 1);
        Assert.Equal((Success, StopPending), Call(HartState, 2, 1));
        Assert.Equal(HartActivity.None, _sbi.Prepare(_harts[1]));
        Assert.Equal((Success, Stopped), Call(HartState, 2, 1));

        Assert.Equal((Success, 0ul), Call(HartState, 0, 1, Entry));
        Assert.Equal(HartActivity.Run, _sbi.Prepare(_harts[1]));
    }

    [Fact]
    public void A_retentive_suspend_ends_with_an_interrupt_and_goes_on_after_the_call()
    {
        Hart hart = _harts[0];
        Call(HartState, 3, 0);
        Assert.Equal((Success, Suspended), Call(_harts[1], HartState, 2, 0));
        Assert.Equal(HartActivity.Wait, _sbi.Prepare(hart));

        hart.TryWriteCsr(0x104, 1 << 1); // sie: software interrupts
        hart.SetInterrupt(InterruptLines.SupervisorSoftware, true);

        hart.Pc = 0x8000_2000;
        Assert.Equal(HartActivity.Run, _sbi.Prepare(hart));
        Assert.Equal((0x8000_2000ul, 0ul), (hart.Pc, hart[10]));
        Assert.Equal((Success, Started), Call(_harts[1], HartState, 2, 0));
    }

    [Fact]
    public void A_non_retentive_suspend_goes_on_where_it_says()
    {
        Hart hart = _harts[0];
        hart.TryWriteCsr(0x104, 1 << 1);
        hart.SetInterrupt(InterruptLines.SupervisorSoftware, true);

        Call(HartState, 3, 0x8000_0000, 0x8000_3000, 55);

        Assert.Equal(HartActivity.Run, _sbi.Prepare(hart));
        Assert.Equal((0x8000_3000ul, 0ul, 55ul), (hart.Pc, hart[10], hart[11]));
    }

    [Fact]
    public void A_suspend_of_another_type_or_outside_RAM_is_refused()
    {
        Assert.Equal((InvalidParameter, 0ul), Call(HartState, 3, 1));
        Assert.Equal((InvalidAddress, 0ul), Call(HartState, 3, 0x8000_0000, 0x1000));
        Assert.Equal((InvalidAddress, 0ul), Call(HartState, 3, 0x8000_0000, 0x8000_0001));
        Assert.Equal(HartActivity.Run, _sbi.Prepare(_harts[0]));
    }

    [Theory]
    [InlineData(0, 0, "Off", 0)]
    [InlineData(1, 0, "Reboot", 0)]
    [InlineData(2, 0, "Reboot", 0)]
    [InlineData(0, 1, "Fail", 1)]
    public void A_reset_asks_for_power(ulong type, ulong reason, string request, uint code)
    {
        Call(Reset, 0, type, reason);

        Assert.Equal([(Enum.Parse<PowerRequest>(request), code)], _power);
    }

    [Fact]
    public void A_legacy_shutdown_asks_for_power()
    {
        LegacyCall(8);

        Assert.Equal([(PowerRequest.Off, 0u)], _power);
    }

    [Theory]
    [InlineData(3, 0)]
    [InlineData(0, 2)]
    public void A_reset_of_another_type_or_reason_is_refused(ulong type, ulong reason)
    {
        Assert.Equal((InvalidParameter, 0ul), Call(Reset, 0, type, reason));

        Assert.Empty(_power);
    }

    [Fact]
    public void The_debug_console_prints_from_memory()
    {
        const ulong acrossBackends = MemoryMap.RamStart + 0x1_0000 - 3;
        _ram.Write(acrossBackends, "hello\n"u8);

        Assert.Equal((Success, 6ul), Call(DebugConsole, 0, 6, acrossBackends));
        Assert.Equal((Success, 0ul), Call(DebugConsole, 2, 0x100 + '!'));

        Assert.Equal("hello\n!", _console.Read(0).Text);
    }

    [Fact]
    public void The_debug_console_reads_what_was_typed_and_does_not_wait()
    {
        _console.TryType("typed");

        Assert.Equal((Success, 3ul), Call(DebugConsole, 1, 3, Entry));
        Assert.Equal((Success, 2ul), Call(DebugConsole, 1, 9, Entry + 3));
        Assert.Equal((Success, 0ul), Call(DebugConsole, 1, 9, Entry));

        Assert.Equal("typed", Encoding.ASCII.GetString(_ram.Read(Entry, 5)));
    }

    [Theory]
    [InlineData(0, 1, 0x1000, 0)]
    [InlineData(1, 1, 0x1000, 0)]
    [InlineData(0, 0x2_1001, MemoryMap.RamStart, 0)]
    [InlineData(0, ulong.MaxValue, MemoryMap.RamStart, 0)]
    [InlineData(0, 2, ulong.MaxValue, 0)]
    [InlineData(1, 2, ulong.MaxValue, 0)]
    [InlineData(1, 1, Rom, 0)]
    [InlineData(1, 2, Rom - 1, 0)]
    [InlineData(0, 1, MemoryMap.RamStart, 1)]
    public void The_debug_console_reaches_RAM_only(ulong function, ulong length, ulong low, ulong high)
    {
        _console.TryType("x");

        Assert.Equal((InvalidParameter, 0ul), Call(DebugConsole, function, length, low, high));

        Assert.Equal(("", 1), (_console.Read(0).Text, _console.InputCount));
        Assert.Equal(0xa5, _ram.Read(Rom, 1)[0]);
    }

    [Fact]
    public void The_debug_console_prints_ROM_too() => Assert.Equal((Success, 1ul), Call(DebugConsole, 0, 1, Rom));

    [Fact]
    public void The_debug_console_moves_some_bytes_and_says_how_many()
    {
        const ulong most = 4096;
        _console.TryType(new byte[5000]);

        Assert.Equal((Success, most), Call(DebugConsole, 0, 0x2_0000, MemoryMap.RamStart));
        Assert.Equal((Success, most), Call(DebugConsole, 1, 0x2_0000, MemoryMap.RamStart));
        Assert.Equal((Success, 5000 - most), Call(DebugConsole, 1, 0x2_0000, MemoryMap.RamStart));

        Assert.Equal((int)most, _console.Read(0).Text.Length); // bytes that are no text, each a character
    }

    [Fact]
    public void A_call_counts_against_the_budget_of_the_run()
    {
        const ulong budget = 1_000_000;
        Write(Entry, Asm.Ecall, Asm.Jal(Asm.Zero, -4));
        Hart hart = _harts[0];
        (hart[17], hart[16], hart[10]) = (HartState, 2, 0);

        Assert.Equal(HartExit.Budget, hart.Run(budget));

        // Two instructions a turn, and a call takes far longer than they do: the first one all of the budget, where the host is busy.
        Assert.InRange(hart.InstructionsRetired, 1ul, budget / 2);
    }

    [Fact]
    public void The_legacy_console_prints_and_reads_characters()
    {
        _console.TryType("k");

        Assert.Equal(0ul, LegacyCall(1, 'c'));
        Assert.Equal('c', _console.Read(0).Text[0]);
        Assert.Equal((ulong)'k', LegacyCall(2));
        Assert.Equal(ulong.MaxValue, LegacyCall(2));
        Assert.Equal(unchecked((ulong)NotSupported), LegacyCall(4));
    }

    [Fact]
    public void A_legacy_call_leaves_a1_alone()
    {
        _harts[0][11] = 42;
        LegacyCall(2);

        Assert.Equal(42ul, _harts[0][11]);
    }

    private void Write(ulong address, params ReadOnlySpan<uint> instructions) =>
        _ram.Write(address, MemoryMarshal.AsBytes(instructions));

    private (long Error, ulong Value) Call(ulong extension, ulong function, ulong a0 = 0, ulong a1 = 0, ulong a2 = 0) =>
        Call(_harts[0], extension, function, a0, a1, a2);

    private (long Error, ulong Value) Call(Hart hart, ulong extension, ulong function, ulong a0 = 0, ulong a1 = 0, ulong a2 = 0)
    {
        (hart[17], hart[16], hart[10], hart[11], hart[12]) = (extension, function, a0, a1, a2);
        Assert.True(_sbi.TryHandleCall(hart));
        return ((long)hart[10], hart[11]);
    }

    private ulong LegacyCall(ulong extension, ulong a0 = 0)
    {
        (_harts[0][17], _harts[0][10]) = (extension, a0);
        Assert.True(_sbi.TryHandleCall(_harts[0]));
        return _harts[0][10];
    }

    private static ulong Csr(Hart hart, int number)
    {
        Assert.True(hart.TryReadCsr(number, out ulong value));
        return value;
    }
}
