using PsVm.Machine.Devices.Virtio;
using PsVm.Machine.Tests.Support;

namespace PsVm.Machine.Tests.Devices.Virtio;

public sealed class VirtioRngTests : IDisposable
{
    private const ulong Buffers = VirtioSlot.RamStart + 0x1_0000;

    private readonly VirtioSlot _slot = new(port => new VirtioRng(port));
    private readonly VirtioDriver _driver;

    public VirtioRngTests() => _driver = new VirtioDriver(_slot.Device, _slot.Ram);

    public void Dispose() => _slot.Dispose();

    [Fact]
    public void Buffers_are_filled_with_bytes_that_differ()
    {
        VirtioRing ring = _driver.Start(8);
        ring.Clear();
        _slot.Ram.Write(Buffers, new byte[0x1000]);

        ring.Publish(ring.Chain((Buffers, 32, true)));
        ring.Publish(ring.Chain((Buffers + 0x100, 16, true), (Buffers + 0x200, 17, true)));
        _driver.Notify();

        Assert.Equal((0u, 32u), ring.Take());
        Assert.Equal((1u, 33u), ring.Take());
        byte[][] filled = [
            _slot.Ram.Read(Buffers, 16),
            _slot.Ram.Read(Buffers + 16, 16),
            _slot.Ram.Read(Buffers + 0x100, 16),
            _slot.Ram.Read(Buffers + 0x200, 16)];
        Assert.Equal(5, filled.Append(new byte[16]).Select(Convert.ToHexString).Distinct().Count());
        Assert.Equal(new byte[16], _slot.Ram.Read(Buffers + 0x220, 16));
    }

    [Theory]
    [InlineData(4096, 4096)]
    [InlineData(100_000, 4096)]
    [InlineData(0, 0)]
    public void A_buffer_gets_a_page_at_most(uint length, uint filled)
    {
        VirtioRing ring = _driver.Start(8);
        ring.Clear();
        _slot.Ram.Write(Buffers, new byte[100_000]);

        ring.Publish(ring.Chain((Buffers, (int)length, true)));
        _driver.Notify();

        Assert.Equal((0u, filled), ring.Take());
        Assert.Equal(new byte[100_000 - filled], _slot.Ram.Read(Buffers + filled, 100_000 - (int)filled));
    }

    [Fact]
    public void A_buffer_that_is_to_be_read_is_given_back_as_it_was()
    {
        VirtioRing ring = _driver.Start(8);
        ring.Clear();
        _slot.Ram.Write(Buffers, new byte[64]);

        ring.Publish(ring.Chain((Buffers, 64, false)));
        _driver.Notify();

        Assert.Equal((0u, 0u), ring.Take());
        Assert.Equal(new byte[64], _slot.Ram.Read(Buffers, 64));
    }
}
