using PsVm.Machine.Tests.Support;
using PsVm.Riscv;
using PsVm.Riscv.Memory;
using PsVm.Riscv.Tests;

namespace PsVm.Machine.Tests.Firmware;

/// <summary>SBI specification 3.0, chapter "Performance Monitoring Unit Extension".</summary>
public sealed class PerformanceTests : IDisposable
{
    private const ulong Counters = 0x50_4d55, Ipi = 0x73_5049, Timer = 0x5449_4d45, Fence = 0x5246_4e43;
    private const ulong CycleEvent = 1, InstructionEvent = 2, CacheMissEvent = 4, FirmwareEvent = 15 << 16;
    private const ulong All = 0b111_1111_1111_1111_1101;
    private const int Inhibit = 0x320, Instructions = 0xc02;

    private readonly SbiHarts _sbi = new();

    public void Dispose() => _sbi.Dispose();

    [Fact]
    public void There_are_two_counters_of_the_hart_and_sixteen_of_the_firmware()
    {
        Assert.Equal((SbiHarts.Success, 19ul), _sbi.Call(Counters, 0));
        Assert.Equal((SbiHarts.Success, 0xc00ul | 63 << 12), _sbi.Call(Counters, 1, 0));
        Assert.Equal((SbiHarts.Success, 0xc02ul | 63 << 12), _sbi.Call(Counters, 1, 2));
        Assert.Equal(1ul, _sbi.Call(Counters, 1, 3).Value >> 63);
        Assert.Equal(1ul, _sbi.Call(Counters, 1, 18).Value >> 63);
        Assert.Equal(SbiHarts.InvalidParameter, _sbi.Call(Counters, 1, 1).Error);
        Assert.Equal(SbiHarts.InvalidParameter, _sbi.Call(Counters, 1, 19).Error);
        Assert.Equal(SbiHarts.InvalidParameter, _sbi.Call(Counters, 1, ulong.MaxValue).Error);
    }

    [Theory]
    [InlineData(CycleEvent, 0)]
    [InlineData(InstructionEvent, 2)]
    [InlineData(FirmwareEvent | 5, 3)]
    [InlineData(FirmwareEvent | 13, 3)]
    public void An_event_finds_the_counter_that_can_count_it(ulong counted, ulong counter) =>
        Assert.Equal((SbiHarts.Success, counter), _sbi.Call(Counters, 2, 0, All, 0, counted));

    [Theory]
    [InlineData(CacheMissEvent)]
    [InlineData(1 << 16)] // caches
    [InlineData(2 << 16)] // raw
    [InlineData(FirmwareEvent)] // misaligned loads never come to the firmware
    [InlineData(FirmwareEvent | 14)]
    [InlineData(FirmwareEvent | 65535)]
    [InlineData(ulong.MaxValue)]
    [InlineData(0)]
    public void An_event_that_nothing_counts_is_not_supported(ulong counted) =>
        Assert.Equal((SbiHarts.NotSupported, 0ul), _sbi.Call(Counters, 2, 0, All, 0, counted));

    [Theory]
    [InlineData(0, 2, 0)] // the place of time
    [InlineData(0, 1 << 19, 0)]
    [InlineData(19, 1, 0)]
    [InlineData(3, ulong.MaxValue, 0)]
    [InlineData(ulong.MaxValue, 1, 0)]
    [InlineData(0, 1, 0x100)] // a flag that is reserved
    public void Counters_and_flags_that_there_are_not_are_refused(ulong first, ulong mask, ulong flags)
    {
        for (ulong function = 2; function <= 4; function++)
        {
            Assert.Equal((SbiHarts.InvalidParameter, 0ul), _sbi.Call(Counters, function, first, mask, flags, CycleEvent));
        }
    }

    [Fact]
    public void The_counter_of_instructions_starts_from_a_value_and_stands_still_when_it_is_stopped()
    {
        Hart hart = _sbi.Harts[0];
        _sbi.Ram.Write(SbiHarts.Entry, System.Runtime.InteropServices.MemoryMarshal.AsBytes<uint>([Asm.Nop, Asm.Jal(Asm.Zero, -4)]));

        Assert.Equal((SbiHarts.Success, 0ul), _sbi.Call(Counters, 3, 2, 1, 1, 1_000_000));
        Assert.Equal(SbiHarts.AlreadyStarted, _sbi.Call(Counters, 3, 2, 1, 1, 5).Error);
        hart.Run(1000);
        ulong running = Csr(hart, Instructions);
        Assert.InRange(running, 1_000_900ul, 1_002_000ul);

        Assert.Equal((SbiHarts.Success, 0ul), _sbi.Call(Counters, 4, 2, 1, 0));
        hart.Run(1000);
        Assert.Equal(running, Csr(hart, Instructions));
        Assert.Equal(4ul, Csr(hart, Inhibit));
        Assert.Equal(SbiHarts.AlreadyStopped, _sbi.Call(Counters, 4, 2, 1, 1).Error);

        Assert.Equal((SbiHarts.Success, 2ul), _sbi.Call(Counters, 2, 0, All, 6, InstructionEvent)); // cleared and started
        hart.Run(1000);
        Assert.InRange(Csr(hart, Instructions), 900ul, 2000ul);
    }

    [Fact]
    public void What_runs_before_anybody_asks_is_left_alone()
    {
        Assert.Equal(SbiHarts.AlreadyStopped, _sbi.Call(Counters, 4, 0, All, 1).Error);

        Assert.Equal(0ul, Csr(_sbi.Harts[0], Inhibit));
    }

    [Fact]
    public void The_firmware_counts_what_it_does_on_both_sides()
    {
        ulong sent = _sbi.Call(Counters, 2, 0, All, 0, FirmwareEvent | 6).Value;
        Hart other = _sbi.Harts[1];
        ulong received = _sbi.Call(other, Counters, 2, 0, All, 0, FirmwareEvent | 7).Value;
        _sbi.Call(Ipi, 0, 2, 0); // not started yet
        Assert.Equal((SbiHarts.Success, 0ul), _sbi.Call(Counters, 3, sent, 1, 1, 100));
        Assert.Equal((SbiHarts.Success, 0ul), _sbi.Call(other, Counters, 3, received, 1, 0));

        for (int i = 0; i < 3; i++)
        {
            _sbi.Call(Ipi, 0, 2, 0);
        }

        Assert.Equal((SbiHarts.Success, 103ul), _sbi.Call(Counters, 5, sent));
        Assert.Equal((SbiHarts.Success, 3ul), _sbi.Call(other, Counters, 5, received));
        Assert.Equal((SbiHarts.Success, 0ul), _sbi.Call(other, Counters, 6, received));
        _sbi.Call(Counters, 4, sent, 1, 0);
        _sbi.Call(Ipi, 0, 2, 0);
        Assert.Equal((SbiHarts.Success, 103ul), _sbi.Call(Counters, 5, sent));
        Assert.Equal(SbiHarts.InvalidParameter, _sbi.Call(Counters, 5, 0).Error);
        Assert.Equal(SbiHarts.InvalidParameter, _sbi.Call(Counters, 6, 2).Error);
    }

    [Fact]
    public void A_counter_of_the_firmware_is_free_again_when_its_event_is_reset()
    {
        ulong[] counters = [.. Enumerable.Range(0, 16).Select(_ => _sbi.Call(Counters, 2, 0, All, 0, FirmwareEvent | 8).Value)];
        Assert.Equal(Enumerable.Range(3, 16), counters.Select(counter => (int)counter));
        Assert.Equal(SbiHarts.NotSupported, _sbi.Call(Counters, 2, 0, All, 0, FirmwareEvent | 8).Error);

        _sbi.Call(Counters, 4, 7, 1, 1);

        Assert.Equal((SbiHarts.Success, 7ul), _sbi.Call(Counters, 2, 0, All, 0, FirmwareEvent | 10));
    }

    [Fact]
    public void Counters_count_on_in_a_clone()
    {
        ulong counter = _sbi.Call(Counters, 2, 0, All, 4, FirmwareEvent | 5).Value;
        _sbi.Call(Timer, 0, ulong.MaxValue);
        _sbi.Call(Timer, 0, ulong.MaxValue);
        using SbiHarts clone = new();
        clone.Restore(_sbi.Save());

        Assert.Equal((SbiHarts.Success, 2ul), clone.Call(Counters, 5, counter));
        clone.Call(Timer, 0, ulong.MaxValue);
        Assert.Equal((SbiHarts.Success, 3ul), clone.Call(Counters, 5, counter));
        Assert.Equal((SbiHarts.Success, 2ul), _sbi.Call(Counters, 5, counter)); // and saving left it as it was
    }

    [Fact]
    public void A_table_of_events_tells_which_can_be_counted()
    {
        const ulong table = SbiHarts.Entry;
        PhysicalMemory memory = _sbi.Ram.Memory.Physical;
        uint[] events = [(uint)CycleEvent, (uint)CacheMissEvent, (uint)FirmwareEvent | 6];
        for (int i = 0; i < events.Length; i++)
        {
            memory.Store(new GuestAddress(table + (16 * (ulong)i)), events[i]);
        }

        Assert.Equal((SbiHarts.Success, 0ul), _sbi.Call(Counters, 8, table, 0, 3, 0));

        Assert.Equal([1u, 0u, 1u], Enumerable.Range(0, 3).Select(i =>
        {
            Assert.True(memory.TryLoad(new GuestAddress(table + (16 * (ulong)i) + 4), out uint answer));
            return answer;
        }));
        memory.Store(new GuestAddress(table), 1u << 20);
        Assert.Equal(SbiHarts.InvalidParameter, _sbi.Call(Counters, 8, table, 0, 1, 0).Error);
    }

    [Theory]
    [InlineData(SbiHarts.Entry + 8, 0, 1, 0, SbiHarts.InvalidParameter)]
    [InlineData(SbiHarts.Entry, 0, 1, 1, SbiHarts.InvalidParameter)]
    [InlineData(SbiHarts.Entry, 1, 1, 0, SbiHarts.InvalidAddress)]
    [InlineData(SbiHarts.Rom, 0, 1, 0, SbiHarts.InvalidAddress)]
    [InlineData(SbiHarts.Rom - 16, 0, 2, 0, SbiHarts.InvalidAddress)]
    [InlineData(0x1000, 0, 1, 0, SbiHarts.InvalidAddress)]
    [InlineData(ulong.MaxValue - 15, 0, 2, 0, SbiHarts.InvalidAddress)]
    [InlineData(SbiHarts.Entry, 0, ulong.MaxValue, 0, SbiHarts.Failed)] // more than a call looks at
    [InlineData(SbiHarts.Entry, 0, 1025, 0, SbiHarts.Failed)]
    public void A_table_of_events_is_bounded_and_in_RAM(ulong low, ulong high, ulong entries, ulong flags, long error) =>
        Assert.Equal((error, 0ul), _sbi.Call(Counters, 8, low, high, entries, flags));

    private static ulong Csr(Hart hart, int number)
    {
        Assert.True(hart.TryReadCsr(number, out ulong value));
        return value;
    }
}
