using System.ComponentModel;
using System.Diagnostics;
using PsVm.Machine.Board;
using PsVm.Machine.Devices;
using PsVm.Machine.Tests.Support;

namespace PsVm.Machine.Tests;

public class BoardDeviceTreeTests
{
    private static readonly BoardDescription TwoHarts = new(
        MachineType.Get("virt-1.1"),
        Harts: 2,
        Ram:
        [
            new RamBlock(new AddressRange(0x8000_0000, 0x800_0000), ReadOnly: false),
            new RamBlock(new AddressRange(0x8800_0000, 0x1_0000_0000), ReadOnly: false),
            new RamBlock(new AddressRange(0x1_8800_0000, 0x10_0000), ReadOnly: true),
        ],
        CommandLine: "console=ttyS0 quiet",
        Initrd: new AddressRange(0x8700_0000, 0x1234),
        Seed: [.. Enumerable.Range(0, 72).Select(value => (byte)value)]);

    private readonly DeviceTree _tree = new(BoardDeviceTree.Build(TwoHarts));

    [Fact]
    public void Each_block_of_RAM_is_a_memory_node()
    {
        Assert.Equal(["memory"], _tree.Texts("/memory@80000000/device_type"));
        Assert.Equal(TwoHarts.Ram[0].Range, _tree.Reg("/memory@80000000"));
        Assert.Equal(TwoHarts.Ram[1].Range, _tree.Reg("/memory@88000000"));
    }

    [Fact]
    public void A_read_only_block_is_no_memory_but_ROM()
    {
        Assert.False(_tree.Has("/memory@188000000/reg"));
        Assert.False(_tree.Has("/rom@188000000/device_type"));
        Assert.Equal(["mtd-rom"], _tree.Texts("/rom@188000000/compatible"));
        Assert.Equal(TwoHarts.Ram[2].Range, _tree.Reg("/rom@188000000"));
    }

    [Fact]
    public void Each_hart_tells_what_it_can_do()
    {
        Assert.Equal([10_000_000], _tree.Cells("/cpus/timebase-frequency"));
        Assert.Equal([1], _tree.Cells("/cpus/cpu@1/reg"));
        Assert.Equal(["rv64imafdc_zicntr_zicsr_zifencei_zba_zbb_zbs_sstc"], _tree.Texts("/cpus/cpu@1/riscv,isa"));
        Assert.Equal(["rv64i"], _tree.Texts("/cpus/cpu@1/riscv,isa-base"));
        Assert.Equal(
            ["i", "m", "a", "f", "d", "c", "zicntr", "zicsr", "zifencei", "zba", "zbb", "zbs", "sstc"],
            _tree.Texts("/cpus/cpu@1/riscv,isa-extensions"));
        Assert.Equal(["riscv,sv57"], _tree.Texts("/cpus/cpu@1/mmu-type"));
        Assert.Equal(_tree.Cells("/cpus/cpu@1/phandle"), _tree.Cells("/cpus/cpu-map/cluster0/core1/cpu"));
        Assert.False(_tree.Has("/cpus/cpu@2/reg"));
    }

    [Fact]
    public void The_devices_are_where_QEMU_has_them()
    {
        Assert.Equal(new AddressRange(0x1000_0000, 0x100), _tree.Reg("/soc/serial@10000000"));
        Assert.Equal(new AddressRange(0x0c00_0000, 0x60_0000), _tree.Reg("/soc/plic@c000000"));
        Assert.Equal(new AddressRange(0x0200_0000, 0x1_0000), _tree.Reg("/soc/clint@2000000"));
        Assert.Equal(new AddressRange(0x0010_0000, 0x1000), _tree.Reg("/soc/test@100000"));
        Assert.Equal(new AddressRange(0x0010_1000, 0x1000), _tree.Reg("/soc/rtc@101000"));
        Assert.Equal([10], _tree.Cells("/soc/serial@10000000/interrupts"));
        Assert.Equal([11], _tree.Cells("/soc/rtc@101000/interrupts"));
        Assert.Equal([3_686_400], _tree.Cells("/soc/serial@10000000/clock-frequency"));
    }

    [Fact]
    public void Interrupts_lead_to_the_harts()
    {
        uint[] plic = _tree.Cells("/soc/plic@c000000/phandle");
        uint first = _tree.Cells("/cpus/cpu@0/interrupt-controller/phandle")[0];
        uint second = _tree.Cells("/cpus/cpu@1/interrupt-controller/phandle")[0];

        Assert.Equal(plic, _tree.Cells("/soc/serial@10000000/interrupt-parent"));
        Assert.Equal(plic, _tree.Cells("/soc/rtc@101000/interrupt-parent"));
        Assert.Equal([first, 11, first, 9, second, 11, second, 9], _tree.Cells("/soc/plic@c000000/interrupts-extended"));
        Assert.Equal([first, 3, first, 7, second, 3, second, 7], _tree.Cells("/soc/clint@2000000/interrupts-extended"));
    }

    [Fact]
    public void Power_goes_through_the_test_device()
    {
        Assert.Equal(_tree.Cells("/soc/test@100000/phandle"), _tree.Cells("/poweroff/regmap"));
        Assert.Equal([0x5555], _tree.Cells("/poweroff/value"));
        Assert.Equal([0x7777], _tree.Cells("/reboot/value"));
        Assert.Equal(["syscon-reboot"], _tree.Texts("/reboot/compatible"));
    }

    [Fact]
    public void The_chosen_node_holds_what_the_operator_and_the_loader_chose()
    {
        Assert.Equal(["console=ttyS0 quiet"], _tree.Texts("/chosen/bootargs"));
        Assert.Equal(["/soc/serial@10000000"], _tree.Texts("/chosen/stdout-path"));
        Assert.Equal((0x8700_0000ul, 0x8700_1234ul), (_tree.Wide("/chosen/linux,initrd-start"), _tree.Wide("/chosen/linux,initrd-end")));
        Assert.Equal(TwoHarts.Seed[..8], _tree.Bytes("/chosen/kaslr-seed"));
        Assert.Equal(TwoHarts.Seed[8..], _tree.Bytes("/chosen/rng-seed"));
    }

    [Fact]
    public void Without_an_initrd_there_is_no_word_of_it()
    {
        DeviceTree tree = new(BoardDeviceTree.Build(TwoHarts with { Initrd = null }));

        Assert.False(tree.Has("/chosen/linux,initrd-start"));
    }

    [SkippableTheory]
    [InlineData(1)]
    [InlineData(64)]
    public void The_device_tree_compiler_has_nothing_against_it(int harts)
    {
        using Process? dtc = TryStart("dtc", "-I", "dtb", "-O", "dts", "-");
        Skip.If(dtc is null, "dtc is not installed");
        Task<string> complaints = dtc!.StandardError.ReadToEndAsync();
        Task<string> source = dtc.StandardOutput.ReadToEndAsync();
        using (Stream input = dtc.StandardInput.BaseStream)
        {
            input.Write(BoardDeviceTree.Build(TwoHarts with { Harts = harts }));
        }

        dtc.WaitForExit();

        Assert.True(complaints.GetAwaiter().GetResult() == "", complaints.Result);
        Assert.Contains("riscv-virtio", source.GetAwaiter().GetResult(), StringComparison.Ordinal);
    }

    private static Process? TryStart(string program, params string[] arguments)
    {
        try
        {
            return Process.Start(new ProcessStartInfo(program, arguments)
            {
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            });
        }
        catch (Win32Exception)
        {
            return null;
        }
    }
}
