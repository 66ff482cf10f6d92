using PsVm.Riscv.Mmu;

namespace PsVm.Riscv.Tests;

public class PmpTests
{
    private const byte R = 1, W = 2, X = 4, Tor = 8, Na4 = 16, Napot = 24, Locked = 128;

    [Fact]
    public void WithoutEntriesEverythingIsAllowed()
    {
        var pmp = new Pmp();
        Assert.True(pmp.Allows(0x1000, 8, Access.Store, PrivilegeMode.User));
    }

    [Fact]
    public void WithEntriesOnlyMachineModeGoesWithoutAMatch()
    {
        Pmp pmp = With((Na4 | R, 0x1000 >> 2));
        Assert.False(pmp.Allows(0x2000, 4, Access.Load, PrivilegeMode.Supervisor));
        Assert.True(pmp.Allows(0x2000, 4, Access.Load, PrivilegeMode.Machine));
    }

    [Theory]
    [InlineData(0x1000ul, 4ul, true)]
    [InlineData(0x1004ul, 4ul, false)]
    [InlineData(0x1000ul, 8ul, false)] // matches only in part
    public void Na4IsFourBytes(ulong address, ulong size, bool allowed) =>
        Assert.Equal(allowed, With((Na4 | R, 0x1000 >> 2)).Allows(address, size, Access.Load, PrivilegeMode.User));

    [Theory]
    [InlineData(0x7fffUL, false)]
    [InlineData(0x8000UL, true)]
    [InlineData(0xbfffUL, true)]
    [InlineData(0xc000UL, false)]
    public void NapotIsAPowerOfTwo(ulong address, bool allowed) =>
        Assert.Equal(allowed, With((Napot | R, (0x8000 >> 2) | (0x4000 / 8 - 1))).Allows(address, 1, Access.Load, PrivilegeMode.User));

    [Fact]
    public void NapotOfAllOnesIsEverything()
    {
        Pmp pmp = With((Napot | R | W | X, ulong.MaxValue));
        Assert.True(pmp.AllowsWholePage(0x8000_0000, Access.Store, PrivilegeMode.User));
    }

    [Fact]
    public void TopOfRangeBeginsWhereTheEntryBeforeEnds()
    {
        Pmp pmp = With((0, 0x1000 >> 2), (Tor | R, 0x3000 >> 2));
        Assert.False(pmp.Allows(0xfff, 1, Access.Load, PrivilegeMode.User));
        Assert.True(pmp.Allows(0x1000, 1, Access.Load, PrivilegeMode.User));
        Assert.True(pmp.Allows(0x2fff, 1, Access.Load, PrivilegeMode.User));
        Assert.False(pmp.Allows(0x3000, 1, Access.Load, PrivilegeMode.User));
    }

    [Fact]
    public void TheFirstMatchDecides()
    {
        Pmp pmp = With((Na4, 0x1000 >> 2), (Napot | R | W, ulong.MaxValue));
        Assert.False(pmp.Allows(0x1000, 4, Access.Load, PrivilegeMode.User));
        Assert.True(pmp.Allows(0x1004, 4, Access.Store, PrivilegeMode.User));
        Assert.False(pmp.AllowsWholePage(0x1000, Access.Load, PrivilegeMode.User));
        Assert.False(pmp.Allows(0x1004, 4, Access.Fetch, PrivilegeMode.User));
    }

    [Fact]
    public void LockedEntriesBindMachineModeAndKeepTheirValues()
    {
        Pmp pmp = With((0, 0x1000 >> 2), (Locked | Tor | R, 0x3000 >> 2));
        pmp.WriteConfig(0, 0);
        pmp.WriteAddress(0, 0);
        pmp.WriteAddress(1, 0);
        Assert.Equal((0x400ul, 0xc00ul, (ulong)(Locked | Tor | R) << 8), (pmp.ReadAddress(0), pmp.ReadAddress(1), pmp.ReadConfig(0)));
        Assert.False(pmp.Allows(0x2000, 4, Access.Store, PrivilegeMode.Machine));
    }

    [Fact]
    public void WriteWithoutReadIsReserved()
    {
        Pmp pmp = With((Na4 | R, 0x1000 >> 2));
        pmp.WriteConfig(0, Na4 | W);
        Assert.Equal((ulong)(Na4 | R), pmp.ReadConfig(0));
    }

    private static Pmp With(params (int Config, ulong Address)[] entries)
    {
        var pmp = new Pmp();
        ulong config = 0;
        for (int i = 0; i < entries.Length; i++)
        {
            pmp.WriteAddress(i, entries[i].Address);
            config |= (ulong)entries[i].Config << (8 * i);
        }

        pmp.WriteConfig(0, config);
        return pmp;
    }
}
