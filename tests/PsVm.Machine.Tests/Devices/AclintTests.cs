using PsVm.Machine.Devices;
using PsVm.Machine.Tests.Support;
using PsVm.Riscv;

namespace PsVm.Machine.Tests.Devices;

public class AclintTests
{
    private readonly FakeHarts _harts = new(2);
    private readonly FixedClock _clock = new();
    private readonly Aclint _aclint;

    public AclintTests() => _aclint = new Aclint(2, _harts, _clock);

    [Fact]
    public void The_lowest_bit_of_msip_is_the_software_interrupt_of_its_hart()
    {
        _aclint.Write(4, 0xffff_ffff);

        Assert.Equal(InterruptLines.MachineSoftware, _harts[1]);
        Assert.Equal(InterruptLines.None, _harts[0]);
        Assert.Equal(1ul, _aclint.Read(4));
        _aclint.Write(4, 0xffff_fffe);
        Assert.Equal(InterruptLines.None, _harts[1]);
    }

    [Fact]
    public void The_comparator_is_written_whole_or_by_halves()
    {
        _aclint.Write(0x4008, 0x1122_3344_5566_7788, size: 8);
        Assert.Equal(0x1122_3344_5566_7788ul, _harts.GetTimer(1));

        _aclint.Write(0x4008, 0xaaaa_bbbb);
        _aclint.Write(0x400c, 0xcccc_dddd);

        Assert.Equal(0xcccc_dddd_aaaa_bbbbul, _harts.GetTimer(1));
        Assert.Equal(0xcccc_ddddul, _aclint.Read(0x400c));
        Assert.Equal(0xcccc_dddd_aaaa_bbbbul, _aclint.Read(0x4008, size: 8));
        Assert.Equal(ulong.MaxValue, _aclint.Read(0x4000, size: 8));
    }

    [Fact]
    public void The_time_is_read_whole_or_by_halves_and_ignores_writes()
    {
        _clock.Now = 0x1_0000_0002;
        _aclint.Write(0xbff8, 0, size: 8);

        Assert.Equal(0x1_0000_0002ul, _aclint.Read(0xbff8, size: 8));
        Assert.Equal(2ul, _aclint.Read(0xbff8));
        Assert.Equal(1ul, _aclint.Read(0xbffc));
    }

    [Fact]
    public void What_no_hart_has_reads_zero()
    {
        _aclint.Write(8, 1);
        _aclint.Write(0x4010, 5, size: 8);

        Assert.Equal((0ul, 0ul), (_aclint.Read(8), _aclint.Read(0x4010, size: 8)));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Smaller_than_words_there_are_no_registers(int size)
    {
        Assert.False(_aclint.TryRead(0, size, out _));
        Assert.False(_aclint.TryWrite(0, size, 0));
    }

    private sealed class FixedClock : IGuestClock
    {
        public ulong Frequency => 1;

        public ulong Now { get; set; }
    }
}
