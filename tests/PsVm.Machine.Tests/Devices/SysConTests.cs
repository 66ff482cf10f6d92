using PsVm.Machine.Devices;
using PsVm.Machine.Tests.Support;

namespace PsVm.Machine.Tests.Devices;

public class SysConTests
{
    private readonly List<(PowerRequest Request, uint Code)> _requests = [];
    private readonly SysCon _device;

    public SysConTests() => _device = new SysCon((request, code) => _requests.Add((request, code)));

    [Theory]
    [InlineData(0x5555, "Off", 0)]
    [InlineData(0x7777, "Reboot", 0)]
    [InlineData(0x2a_3333, "Fail", 42)]
    public void A_magic_number_asks_for_power(ulong value, string request, uint code)
    {
        _device.Write(0, value);

        Assert.Equal([(Enum.Parse<PowerRequest>(request), code)], _requests);
    }

    [Fact]
    public void Anything_else_does_nothing()
    {
        _device.Write(0, 0x1234);
        _device.Write(4, 0x5555);

        Assert.Empty(_requests);
        Assert.Equal(0ul, _device.Read(0));
    }
}
