using PsVm.Machine.Board;
using PsVm.Machine.Devices;
using PsVm.Machine.Firmware;
using PsVm.Machine.Tests.Support;
using PsVm.Riscv;

namespace PsVm.Machine.Tests.Boot;

/// <summary>What the built-in SBI lets a supervisor do of what its harts can.</summary>
public sealed class SupervisorIsaTests : IDisposable
{
    private const int EnvironmentConfiguration = 0x30a;
    private const ulong TimerCompareEnable = 1ul << 63, CacheBlocks = 0xf0;
    private readonly TestRam _ram = new((0x1_0000, false));

    public void Dispose() => _ram.Dispose();

    [Theory]
    [InlineData(false, TimerCompareEnable)]
    [InlineData(true, TimerCompareEnable | CacheBlocks)]
    public void Cache_block_instructions_are_the_supervisors_where_harts_have_them(bool full, ulong expected)
    {
        var harts = new Hart[1];
        var sbi = new Sbi(harts, new FakeHarts(1), _ram.Memory, new GuestConsole(), (_, _) => { });
        using Hart hart = new(
            0, _ram.Memory.Physical, new DeviceBus(), new GuestClock(), sbi, isa: full ? IsaProfile.Full : IsaProfile.Base);
        harts[0] = hart;
        sbi.Start(0, MemoryMap.RamStart, 0);
        sbi.Prepare(hart);

        Assert.True(hart.TryReadCsr(EnvironmentConfiguration, out ulong found));
        Assert.Equal(expected, found);
    }
}
