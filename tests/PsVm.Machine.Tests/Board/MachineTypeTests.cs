using PsVm.Machine.Board;
using PsVm.Machine.Devices;
using PsVm.Machine.Tests.Support;
using PsVm.Memory;
using PsVm.Memory.Options;
using PsVm.Riscv;

namespace PsVm.Machine.Tests.Board;

public sealed class MachineTypeTests
{
    public static TheoryData<string> Names => [.. MachineTypes.Versions];

    [Fact]
    public void Memory_and_boards_know_the_same_versions() =>
        Assert.Equal(MachineTypes.Versions, MachineType.All.Select(type => type.Name));

    [Theory]
    [MemberData(nameof(Names))]
    public void Devices_have_names_places_and_interrupts_of_their_own(string name)
    {
        MachineType type = MachineType.Get(name);

        Assert.Equal(type.DeviceNames.Distinct(), type.DeviceNames);
        Assert.Empty(type.DeviceNames.Intersect(["machine", "changes", "clock", "harts", "sbi"]));
        DevicePlacement[] inOrder = [.. type.Devices.OrderBy(device => device.Address)];
        Assert.All(inOrder.Zip(inOrder.Skip(1)), pair => Assert.True(pair.First.Range.End <= pair.Second.Address, $"{pair}"));
        Assert.True(inOrder[^1].Range.End <= MemoryMap.RamStart);
        Assert.All(type.Devices, device => Assert.Equal(device.Kind.Interrupts, device.Interrupts.Count));
        int[] interrupts = [.. type.Devices.SelectMany(device => device.Interrupts)];
        Assert.Equal(interrupts.Distinct(), interrupts);
        Assert.All(interrupts, source => Assert.InRange(source, 1, Plic.Sources - 1));
        Assert.Single(type.Devices, device => device.Kind.IsInterruptController);
        Assert.Contains(type.Devices, device => device.Kind.IsConsole);
    }

    [Theory]
    [InlineData("virt-1.0")]
    [InlineData("virt-1.1")]
    public void Old_versions_stay_as_they_were(string name)
    {
        MachineType type = MachineType.Get(name);

        Assert.Equal(["uart", "plic", "aclint", "rtc", "generation", "syscon"], type.DeviceNames);
        Assert.Equal(
            [0x1000_0000, 0x0c00_0000, 0x0200_0000, 0x0010_1000, 0x0010_2000, 0x0010_0000], type.Devices.Select(device => device.Address));
        Assert.Equal([0x100, 0x60_0000, 0x1_0000, 0x1000, 0x1000, 0x1000], type.Devices.Select(device => device.Range.Size));
        Assert.Equal([10, 11, 12], type.Devices.SelectMany(device => device.Interrupts));
        Assert.Equal(IsaProfile.Base, type.Isa);
    }

    [Theory]
    [InlineData("virt-1.2", "")]
    [InlineData("virt-1.3", "")]
    [InlineData("virt-1.4", "_svvptc")]
    public void Versions_since_1_2_have_the_instructions_that_they_came_with(string name, string more) => Assert.Equal(
        "rv64imafdc_zicbom_zicbop_zicboz_zicntr_zicond_zicsr_zifencei_zihintpause_zawrs_zfa_zba_zbb_zbs_sstc" + more,
        MachineType.Get(name).Isa.Isa);

    [Fact]
    public void A_board_with_virtio_has_the_slots_of_QEMUs()
    {
        MachineType type = MachineType.Get("virt-1.3");

        Assert.Equal(
            [
                .. MachineType.Get("virt-1.2").DeviceNames,
                "virtio0", "virtio1", "virtio2", "virtio3", "virtio4", "virtio5", "console", "rng",
            ],
            type.DeviceNames);
        DevicePlacement[] slots = [.. type.Devices.Where(device => device.Kind.Node == "virtio_mmio")];
        Assert.Equal(Enumerable.Range(0, 8).Select(slot => 0x1000_1000 + (0x1000 * (ulong)slot)), slots.Select(slot => slot.Address));
        Assert.Equal(Enumerable.Range(1, 8), slots.SelectMany(slot => slot.Interrupts));
        DeviceTree tree = new(BoardDeviceTree.Build(new BoardDescription(type, 1, [], "", null, new byte[16])));
        Assert.Equal(["virtio,mmio"], tree.Texts("/soc/virtio_mmio@10003000/compatible"));
        Assert.Equal(type.Devices, MachineType.Get("virt-1.4").Devices);
        Assert.Equal(new AddressRange(0x1000_3000, 0x1000), tree.Reg("/soc/virtio_mmio@10003000"));
        Assert.Equal([3], tree.Cells("/soc/virtio_mmio@10003000/interrupts"));
    }

    [Fact]
    public void A_type_is_found_by_name_or_alias()
    {
        Assert.Equal("virt-1.1", MachineType.Find("virt")?.Name);
        Assert.Equal("virt-1.2", MachineType.Find("VIRT-1.2")?.Name);
        Assert.Null(MachineType.Find("pc"));
        Assert.Throws<ArgumentException>(() => MachineType.Get("pc"));
    }
}
