using System.Net;
using PsVm.Machine.Agents;
using PsVm.Machine.Devices.Networks;

namespace PsVm.Machine.Tests.Agents;

/// <summary>What a guest's shell is told to make of it.</summary>
public sealed class AgentIdentityTests
{
    private static readonly AdapterAddress s_same = new(new MacAddress(0x5254_0000_0001), new MacAddress(0x5254_0000_0001));
    private static readonly AdapterAddress s_other = new(new MacAddress(0x5254_0000_0001), new MacAddress(0x5254_0012_3456));

    [Theory]
    [InlineData("10.0.0.1/24", null)]
    [InlineData("10.0.0.1/32", "10.0.0.254")]
    [InlineData("fd00::1/64", "fe80::1")]
    public void An_address_has_a_prefix_and_a_gateway_at_most(string address, string? gateway) =>
        AgentIdentity.Check(new CloneIdentity { Address = address, Gateway = gateway }, "web");

    [Theory]
    [InlineData("10.0.0.1", null)]
    [InlineData("10.0.0.1/33", null)]
    [InlineData("fd00::1/129", null)]
    [InlineData("10.0.0.1/-1", null)]
    [InlineData("10.0.0.1/24; reboot", null)]
    [InlineData("$(reboot)/24", null)]
    [InlineData("", null)]
    [InlineData("10.0.0.1/24", "there")]
    [InlineData(null, "10.0.0.254")]
    public void What_is_none_is_refused(string? address, string? gateway)
    {
        GuestException refused = Assert.Throws<GuestException>(
            () => AgentIdentity.Check(new CloneIdentity { Address = address, Gateway = gateway }, "web"));

        Assert.Equal((GuestErrorIds.GuestIdentityInvalid, "web"), (refused.ErrorId, refused.Target));
    }

    [Fact]
    public void Adapters_are_set_that_have_another_address_now()
    {
        Assert.DoesNotContain("set_adapter", TextOf(new CloneIdentity(), s_same), StringComparison.Ordinal);
        Assert.Contains(
            "set_adapter 52:54:00:00:00:01 52:54:00:12:34:56 fe80::5054:ff:fe00:1 fe80::5054:ff:fe12:3456\n",
            TextOf(new CloneIdentity(), s_other),
            StringComparison.Ordinal);
        Assert.Equal(IPAddress.Parse("fe80::5054:ff:fe12:3456"), s_other.To.LinkLocal);
    }

    private static string TextOf(CloneIdentity identity, params AdapterAddress[] adapters) =>
        string.Join(' ', AgentIdentity.ToCommand(identity, "web", Guid.NewGuid(), adapters).Arguments);
}
