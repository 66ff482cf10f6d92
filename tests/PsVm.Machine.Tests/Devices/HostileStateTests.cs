using PsVm.Machine.Devices;
using PsVm.Machine.State;
using PsVm.Machine.Tests.Support;
using PsVm.Riscv;

namespace PsVm.Machine.Tests.Devices;

/// <summary>States of devices that no device was ever in.</summary>
public sealed class HostileStateTests
{
    private const int Harts = 2;

    // Offsets into the PLIC's state: priorities, three sets of source bits, enables of four contexts, thresholds of them.
    private const int Level = 96 * 4, Pending = Level + 12, Claimed = Pending + 12, Enable = Claimed + 12, Threshold = Enable + (4 * 12);

    [Theory]
    [InlineData(0, 1, "source 0")]
    [InlineData(4, 8, "priority or threshold of 8")]
    [InlineData(Level - 1, 0x80, "priority or threshold")]
    [InlineData(Level, 1, "source 0")]
    [InlineData(Pending, 1, "source 0")]
    [InlineData(Claimed, 1, "source 0")]
    [InlineData(Enable, 1, "source 0")]
    [InlineData(Enable + 36, 1, "source 0")]
    [InlineData(Threshold, 8, "priority or threshold of 8")]
    [InlineData(Threshold + 15, 1, "priority or threshold")]
    public void The_PLIC_takes_only_what_its_registers_can_hold(int offset, byte value, string complaint) =>
        AssertRefused(() => new Plic(Harts, new FakeHarts(Harts)), offset, value, complaint);

    // After the input, of which there is none: interrupt enable, FIFO and line control, modem control.
    [Theory]
    [InlineData(4, 0x10, "bits that do not exist")]
    [InlineData(7, 0x20, "bits that do not exist")]
    [InlineData(11, 2, "expected 0 or 1")]
    [InlineData(0, 9, "found 9 items")]
    public void The_UART_takes_only_what_its_registers_can_hold(int offset, byte value, string complaint) =>
        AssertRefused(() => new Uart(new GuestConsole(), _ => { }), offset, value, complaint);

    [Fact]
    public void The_UART_takes_no_more_input_than_may_wait()
    {
        StateStream more = new();
        byte[] input = new byte[GuestConsole.InputCapacity + 1];
        more.Transfer(ref input);
        more.Transfer(new byte[8].AsSpan());

        InvalidDataException refused = Assert.Throws<InvalidDataException>(
            () => new Uart(new GuestConsole(), _ => { }).Transfer(new StateStream(more.ToArray())));
        Assert.Contains("more than may wait", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_ACLINT_takes_only_what_its_registers_can_hold() =>
        AssertRefused(() => new Aclint(Harts, new FakeHarts(Harts), new Clock()), 1, 2, "expected 0 or 1");

    [Fact]
    public void The_clock_takes_only_what_its_registers_can_hold() =>
        AssertRefused(() => new GoldfishRtc(new ManualTime(), _ => { }), 20, 2, "expected 0 or 1");

    private static void AssertRefused<T>(Func<T> create, int offset, byte value, string complaint)
        where T : IStateful
    {
        StateStream written = new();
        create().Transfer(written);
        byte[] state = written.ToArray();
        create().Transfer(new StateStream(state));
        for (int length = 0; length < state.Length; length++)
        {
            Assert.Throws<InvalidDataException>(() => create().Transfer(new StateStream(state.AsMemory(0, length))));
        }

        state[offset] = value;
        InvalidDataException refused = Assert.Throws<InvalidDataException>(() => create().Transfer(new StateStream(state)));
        Assert.Contains(complaint, refused.Message, StringComparison.Ordinal);
    }

    private sealed class Clock : IGuestClock
    {
        public ulong Frequency => 1;

        public ulong Now => 0;
    }
}
