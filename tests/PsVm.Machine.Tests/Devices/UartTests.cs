using PsVm.Machine.Devices;
using PsVm.Machine.Tests.Support;

namespace PsVm.Machine.Tests.Devices;

public sealed class UartTests : IDisposable
{
    private const ulong Data = 0, InterruptEnable = 1, InterruptId = 2, FifoControl = 2, LineControl = 3, ModemControl = 4;
    private const ulong LineStatus = 5, ModemStatus = 6, Scratch = 7;

    private readonly GuestConsole _console = new();
    private readonly Uart _uart;
    private bool _interrupt;

    public UartTests() => _uart = new Uart(_console, level => _interrupt = level);

    public void Dispose() => _uart.Dispose();

    [Fact]
    public void What_is_written_to_the_transmitter_is_on_the_console()
    {
        foreach (char character in "héllo")
        {
            foreach (byte value in System.Text.Encoding.UTF8.GetBytes([character]))
            {
                Write(Data, value);
            }
        }

        Assert.Equal("héllo", _console.Read(0).Text);
        Assert.Equal(0x60ul, Read(LineStatus));
    }

    [Fact]
    public void What_is_typed_is_read_in_order_and_the_line_status_tells_when()
    {
        Assert.True(_console.TryType("ab"));

        Assert.Equal(0x61ul, Read(LineStatus));
        Assert.Equal('a', (char)Read(Data));
        Assert.Equal('b', (char)Read(Data));
        Assert.Equal(0x60ul, Read(LineStatus));
        Assert.Equal(0ul, Read(Data));
    }

    [Fact]
    public void Of_two_on_one_console_each_listens_until_it_is_disposed()
    {
        bool other = false;
        Uart before = new(_console, level => other = level);
        Assert.True(before.TryWrite(InterruptEnable, 1, 1));
        Write(InterruptEnable, 1);
        before.Dispose();

        _console.TryType("a");

        Assert.Equal((true, false), (_interrupt, other));
    }

    [Fact]
    public void The_divisor_latch_hides_data_and_interrupt_enable()
    {
        Write(InterruptEnable, 0x05);
        Write(LineControl, 0x83);
        Write(Data, 0x12);
        Write(InterruptEnable, 0x34);

        Assert.Equal((0x12ul, 0x34ul), (Read(Data), Read(InterruptEnable)));
        Write(LineControl, 0x03);
        Assert.Equal(0x05ul, Read(InterruptEnable));
        Assert.Equal(0x03ul, Read(LineControl));
        Assert.Equal("", _console.Read(0).Text);
    }

    [Fact]
    public void The_scratch_register_keeps_a_byte()
    {
        Write(Scratch, 0x1a5);

        Assert.Equal(0xa5ul, Read(Scratch));
    }

    [Fact]
    public void Input_interrupts_while_it_waits_and_only_when_enabled()
    {
        _console.TryType("xy");
        Assert.False(_interrupt);

        Write(InterruptEnable, 0x01);
        Assert.True(_interrupt);
        Assert.Equal(0x04ul, Read(InterruptId));
        Read(Data);
        Assert.True(_interrupt);
        Read(Data);
        Assert.False(_interrupt);
        Assert.Equal(0x01ul, Read(InterruptId));

        _console.TryType("z");
        Assert.True(_interrupt);
        Write(InterruptEnable, 0);
        Assert.False(_interrupt);
    }

    [Fact]
    public void Input_below_the_trigger_level_of_the_FIFO_is_told_as_a_timeout()
    {
        Write(FifoControl, 0x81); // FIFOs on, trigger at 8
        Write(InterruptEnable, 0x01);

        _console.TryType("1234567");
        Assert.Equal(0xccul, Read(InterruptId));
        _console.TryType("8");
        Assert.Equal(0xc4ul, Read(InterruptId));
        Assert.True(_interrupt);
    }

    [Fact]
    public void Clearing_the_receiver_drops_what_its_FIFO_holds_and_keeps_what_waits_behind_it()
    {
        _console.TryType("0123456789abcdefNEXT");

        Write(FifoControl, 0x03);

        Assert.Equal('N', (char)Read(Data));
        Assert.Equal(3, _console.InputCount);
    }

    [Fact]
    public void A_break_is_one_zero_with_the_indicator_which_reading_the_line_status_clears()
    {
        _console.TryType("a");
        Assert.True(_console.TrySendBreak('o'));

        Assert.Equal(0x61ul, Read(LineStatus));
        Assert.Equal('a', (char)Read(Data));
        Assert.Equal(0x71ul, Read(LineStatus));
        Assert.Equal(0x61ul, Read(LineStatus));
        Assert.Equal(0ul, Read(Data));
        Assert.Equal(0x61ul, Read(LineStatus));
        Assert.Equal('o', (char)Read(Data));
        Assert.Equal(0x60ul, Read(LineStatus));
    }

    [Fact]
    public void Each_break_is_told_also_when_the_line_status_was_not_read_for_the_one_before()
    {
        _console.TrySendBreak('s');
        _console.TrySendBreak('o');

        Read(Data);
        Read(Data);
        Assert.Equal(0x71ul, Read(LineStatus));
    }

    [Fact]
    public void A_typed_zero_is_no_break()
    {
        _console.TryType(new byte[1]);

        Assert.Equal(0x61ul, Read(LineStatus));
    }

    [Fact]
    public void A_break_interrupts_by_the_line_status_before_all_else()
    {
        Write(InterruptEnable, 0x07);
        _console.TrySendBreak('o');

        Assert.True(_interrupt);
        Assert.Equal(0x06ul, Read(InterruptId));
        Read(LineStatus);
        Assert.Equal(0x04ul, Read(InterruptId));
        Write(InterruptEnable, 0x04);
        Assert.False(_interrupt);
    }

    [Fact]
    public void Breaks_go_neither_into_templates_nor_to_who_reads_through_the_SBI()
    {
        _console.TryType("a");
        _console.TrySendBreak('o');
        _console.TryType("b");

        Assert.Equal("ab"u8.ToArray(), _console.PeekInput());
        byte[] taken = new byte[8];
        Assert.Equal(2, _console.TakeInput(taken));
        Assert.Equal("ab"u8.ToArray(), taken[..2]);
        Assert.Equal(0, _console.InputCount);
    }

    [Fact]
    public void Breaks_that_were_not_received_are_taken_back_and_what_was_typed_stays()
    {
        Write(InterruptEnable, 0x01);
        _console.TrySendBreak('o');
        _console.WithdrawBreaks();
        Assert.False(_interrupt);

        _console.TryType("x");
        _console.TrySendBreak('o');
        _console.WithdrawBreaks();
        Assert.Equal(('x', 0), ((char)Read(Data), _console.InputCount));
    }

    [Fact]
    public void An_empty_transmitter_interrupts_once_it_is_enabled_and_after_each_character()
    {
        Write(InterruptEnable, 0x02);
        Assert.True(_interrupt);
        Assert.Equal(0x02ul, Read(InterruptId));
        Assert.False(_interrupt);
        Assert.Equal(0x01ul, Read(InterruptId));

        Write(Data, 'x');
        Assert.True(_interrupt);
        Assert.Equal(0x02ul, Read(InterruptId));
        Assert.False(_interrupt);
    }

    [Fact]
    public void Input_is_told_before_an_empty_transmitter()
    {
        Write(InterruptEnable, 0x03);
        _console.TryType("x");

        Assert.Equal(0x04ul, Read(InterruptId));
        Read(Data);
        Assert.Equal(0x02ul, Read(InterruptId));
    }

    [Theory]
    [InlineData(0x00, 0xb0)] // carrier, data set ready, clear to send
    [InlineData(0x1a, 0x90)] // loopback of RTS and OUT2
    [InlineData(0x15, 0x60)] // loopback of DTR and OUT1
    public void Loopback_reflects_the_modem_lines(ulong control, ulong status)
    {
        Write(ModemControl, control);

        Assert.Equal(status, Read(ModemStatus));
        Assert.Equal(control, Read(ModemControl));
    }

    [Fact]
    public void Loopback_keeps_characters_from_the_console()
    {
        Write(ModemControl, 0x10);
        Write(Data, 'x');

        Assert.Equal("", _console.Read(0).Text);
    }

    [Fact]
    public void Beyond_the_registers_there_is_nothing()
    {
        Assert.False(_uart.TryRead(8, 1, out _));
        Assert.False(_uart.TryWrite(8, 1, 0));
    }

    private ulong Read(ulong register) => _uart.Read(register, 1);

    private void Write(ulong register, ulong value) => _uart.Write(register, value, 1);
}
