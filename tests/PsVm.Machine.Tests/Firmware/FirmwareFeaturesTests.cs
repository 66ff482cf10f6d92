using PsVm.Machine.Tests.Support;

namespace PsVm.Machine.Tests.Firmware;

/// <summary>SBI specification 3.0, chapter "Firmware Features Extension".</summary>
public sealed class FirmwareFeaturesTests : IDisposable
{
    private const ulong Features = 0x4657_4654, Misaligned = 0;

    private readonly SbiHarts _sbi = new();

    public void Dispose() => _sbi.Dispose();

    [Fact]
    public void Misaligned_accesses_are_the_supervisors_and_stay_so()
    {
        Assert.Equal((SbiHarts.Success, 1ul), _sbi.Call(Features, 1, Misaligned));
        Assert.Equal((SbiHarts.Success, 0ul), _sbi.Call(Features, 0, Misaligned, 1, 0));
        Assert.Equal((SbiHarts.Denied, 0ul), _sbi.Call(Features, 0, Misaligned, 0, 0));
        Assert.Equal((SbiHarts.Success, 1ul), _sbi.Call(Features, 1, Misaligned));
    }

    [Theory]
    [InlineData(2, 0)]
    [InlineData(ulong.MaxValue, 0)]
    [InlineData(1, 2)]
    [InlineData(1, 1ul << 63)]
    public void Other_values_and_flags_are_refused(ulong value, ulong flags) =>
        Assert.Equal((SbiHarts.InvalidParameter, 0ul), _sbi.Call(Features, 0, Misaligned, value, flags));

    [Theory]
    [InlineData(1, SbiHarts.NotSupported)] // landing pads
    [InlineData(5, SbiHarts.NotSupported)]
    [InlineData(6, SbiHarts.Denied)] // reserved
    [InlineData(0x4000_0000, SbiHarts.Denied)]
    [InlineData(0xffff_ffff, SbiHarts.Denied)]
    public void Features_without_their_hardware_and_reserved_ones_are_told_apart(ulong feature, long error)
    {
        Assert.Equal((error, 0ul), _sbi.Call(Features, 0, feature, 1, 0));
        Assert.Equal((error, 0ul), _sbi.Call(Features, 1, feature));
    }

    [Fact]
    public void A_lock_holds_on_its_hart_and_in_a_clone_until_the_hart_starts_again()
    {
        Assert.Equal(SbiHarts.Success, _sbi.Call(Features, 0, Misaligned, 1, 1).Error);
        Assert.Equal(SbiHarts.DeniedLocked, _sbi.Call(Features, 0, Misaligned, 0, 0).Error);
        Assert.Equal(SbiHarts.Denied, _sbi.Call(_sbi.Harts[1], Features, 0, Misaligned, 0, 0).Error);
        using SbiHarts clone = new();
        clone.Restore(_sbi.Save());
        Assert.Equal(SbiHarts.DeniedLocked, clone.Call(Features, 0, Misaligned, 0, 0).Error);

        clone.Call(SbiHarts.HartState, 1);
        clone.Sbi.Prepare(clone.Harts[0]);
        clone.Call(clone.Harts[1], SbiHarts.HartState, 0, 0, SbiHarts.Entry, 0);
        clone.Sbi.Prepare(clone.Harts[0]);
        Assert.Equal(SbiHarts.Denied, clone.Call(Features, 0, Misaligned, 0, 0).Error);
    }
}
