using PsVm.Machine.Devices;
using PsVm.Machine.Tests.Support;
using PsVm.Riscv;

namespace PsVm.Machine.Tests.Devices;

public class PlicTests
{
    private const int Source = 10, Other = 40;

    private readonly FakeHarts _harts = new(2);
    private readonly Plic _plic;

    public PlicTests() => _plic = new Plic(2, _harts);

    [Theory]
    [InlineData(0, 0, InterruptLines.MachineExternal)]
    [InlineData(1, 0, InterruptLines.SupervisorExternal)]
    [InlineData(2, 1, InterruptLines.MachineExternal)]
    [InlineData(3, 1, InterruptLines.SupervisorExternal)]
    public void Each_context_is_a_mode_of_a_hart(int context, int hart, InterruptLines line)
    {
        Enable(context, Source);
        SetPriority(Source, 1);

        _plic.SetLevel(Source, true);

        Assert.Equal(line, _harts[hart]);
        Assert.Equal(InterruptLines.None, _harts[1 - hart]);
    }

    [Fact]
    public void A_level_is_pending_until_it_is_claimed_and_again_when_it_is_still_high_at_completion()
    {
        Enable(1, Source);
        SetPriority(Source, 1);
        _plic.SetLevel(Source, true);
        Assert.Equal(1ul << Source, _plic.Read(0x1000));

        Assert.Equal((ulong)Source, Claim(1));
        Assert.Equal(0ul, _plic.Read(0x1000));
        Assert.Equal(InterruptLines.None, _harts[0]);
        Assert.Equal(0ul, Claim(1));

        Complete(1, Source);
        Assert.Equal(InterruptLines.SupervisorExternal, _harts[0]);
        Claim(1);
        _plic.SetLevel(Source, false);
        Complete(1, Source);
        Assert.Equal(InterruptLines.None, _harts[0]);
    }

    [Fact]
    public void A_level_that_falls_before_the_claim_is_gone()
    {
        Enable(1, Source);
        SetPriority(Source, 1);

        _plic.SetLevel(Source, true);
        _plic.SetLevel(Source, false);

        Assert.Equal(InterruptLines.None, _harts[0]);
        Assert.Equal(0ul, Claim(1));
    }

    [Fact]
    public void A_claimed_source_does_not_become_pending_until_it_is_completed()
    {
        Enable(1, Source);
        SetPriority(Source, 1);
        _plic.SetLevel(Source, true);
        Claim(1);

        _plic.SetLevel(Source, false);
        _plic.SetLevel(Source, true);

        Assert.Equal(0ul, Claim(1));
        Complete(1, Source);
        Assert.Equal((ulong)Source, Claim(1));
    }

    [Fact]
    public void The_highest_priority_is_claimed_first_and_the_lowest_number_among_equals()
    {
        foreach (int source in (int[])[Source, Other, Other + 1])
        {
            Enable(1, source);
            _plic.SetLevel(source, true);
        }

        SetPriority(Source, 1);
        SetPriority(Other, 3);
        SetPriority(Other + 1, 3);

        Assert.Equal([(ulong)Other, (ulong)Other + 1, (ulong)Source, 0ul], [Claim(1), Claim(1), Claim(1), Claim(1)]);
    }

    [Fact]
    public void A_threshold_masks_priorities_up_to_it_but_not_claims()
    {
        Enable(1, Source);
        SetPriority(Source, 3);
        _plic.Write(0x20_1000, 3);

        _plic.SetLevel(Source, true);
        Assert.Equal(InterruptLines.None, _harts[0]);

        _plic.Write(0x20_1000, 2);
        Assert.Equal(InterruptLines.SupervisorExternal, _harts[0]);
        _plic.Write(0x20_1000, 7);
        Assert.Equal((ulong)Source, Claim(1));
    }

    [Fact]
    public void Priority_0_never_interrupts()
    {
        Enable(1, Source);

        _plic.SetLevel(Source, true);

        Assert.Equal(InterruptLines.None, _harts[0]);
        Assert.Equal(0ul, Claim(1));
    }

    [Fact]
    public void Completing_what_the_context_has_not_enabled_does_nothing()
    {
        Enable(1, Source);
        SetPriority(Source, 1);
        _plic.SetLevel(Source, true);
        Claim(1);

        Complete(0, Source);
        Complete(1, 1000);

        Assert.Equal(0ul, Claim(1));
    }

    [Fact]
    public void Registers_keep_the_bits_that_exist()
    {
        SetPriority(Source, 0xff);
        SetPriority(0, 5);
        _plic.Write(0x20_0000, 0xff);
        _plic.Write(0x2000, 0xffff_ffff);
        _plic.Write(0x1000, 0xffff_ffff);

        Assert.Equal(7ul, _plic.Read(4 * Source));
        Assert.Equal(0ul, _plic.Read(0));
        Assert.Equal(7ul, _plic.Read(0x20_0000));
        Assert.Equal(0xffff_fffeul, _plic.Read(0x2000));
        Assert.Equal(0ul, _plic.Read(0x1000));
        Assert.Equal(0ul, _plic.Read(0x20_4004)); // a context of no hart
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(8)]
    public void Only_words_are_registers(int size)
    {
        Assert.False(_plic.TryRead(0, size, out _));
        Assert.False(_plic.TryWrite(0, size, 0));
    }

    private void SetPriority(int source, ulong priority) => _plic.Write(4 * (ulong)source, priority);

    private void Enable(int context, int source)
    {
        ulong register = 0x2000 + (0x80 * (ulong)context) + (4 * ((ulong)source / 32));
        _plic.Write(register, _plic.Read(register) | 1ul << (source % 32));
    }

    private ulong Claim(int context) => _plic.Read(0x20_0004 + (0x1000 * (ulong)context));

    private void Complete(int context, ulong source) => _plic.Write(0x20_0004 + (0x1000 * (ulong)context), source);
}
