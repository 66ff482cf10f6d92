using System.Buffers.Binary;
using PsVm.Machine.Board;
using PsVm.Machine.Boot;
using PsVm.Machine.Devices;
using PsVm.Machine.Tests.Support;
using PsVm.Memory.Tests.Support;

namespace PsVm.Machine.Tests.Boot;

public sealed class BootLoaderTests : IDisposable
{
    private const ulong MiB = 1 << 20;

    private static readonly byte[] s_kernel = BootFile.Image([0x13, 0x13]);

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("psvm-boot-loader-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void Kernel_initrd_and_device_tree_are_where_the_tree_says()
    {
        using TestRam ram = new((16 * MiB, false), (4 * MiB, false));
        byte[] initrd = [.. Enumerable.Range(0, 5000).Select(value => (byte)value)];

        BootEntry entry = Load(ram, new GuestOptions { Kernel = Write("kernel", s_kernel), Initrd = Write("initrd", initrd) }, "hello");

        Assert.Equal((BootFile.KernelStart, null), (entry.Entry, entry.FirmwareInfo));
        Assert.Equal(s_kernel, ram.Read(BootFile.KernelStart, s_kernel.Length));
        DeviceTree tree = ReadTree(ram, entry);
        Assert.Equal(["hello"], tree.Texts("/chosen/bootargs"));
        Assert.Equal(new AddressRange(0x8000_0000, 16 * MiB), tree.Reg("/memory@80000000"));
        Assert.Equal(new AddressRange(0x8100_0000, 4 * MiB), tree.Reg("/memory@81000000"));
        ulong start = tree.Wide("/chosen/linux,initrd-start");
        Assert.Equal((start % 4096, start + 5000), (0ul, tree.Wide("/chosen/linux,initrd-end")));
        Assert.Equal(initrd, ram.Read(start, initrd.Length));
        Assert.InRange(entry.DeviceTree, 0x8100_0000ul, start);
    }

    [Fact]
    public void The_seeds_differ_from_guest_to_guest()
    {
        using TestRam ram = new((16 * MiB, false));
        GuestOptions options = new() { Kernel = Write("kernel", s_kernel) };

        byte[] first = ReadTree(ram, Load(ram, options)).Bytes("/chosen/rng-seed");
        byte[] second = ReadTree(ram, Load(ram, options)).Bytes("/chosen/rng-seed");

        Assert.NotEqual(first, second);
    }

    [Fact]
    public void Firmware_goes_first_and_is_told_where_to_go_on()
    {
        using TestRam ram = new((64 * MiB, false));
        byte[] firmware = [1, 2, 3, 4];

        BootEntry entry = Load(ram, new GuestOptions { Kernel = Write("kernel", s_kernel), Firmware = Write("firmware", firmware) });

        Assert.Equal(MemoryMap.RamStart, entry.Entry);
        Assert.Equal(firmware, ram.Read(MemoryMap.RamStart, 4));
        Assert.Equal(s_kernel, ram.Read(BootFile.KernelStart, s_kernel.Length));
        byte[] info = ram.Read(entry.FirmwareInfo!.Value, 48);
        Assert.Equal(
            [0x4942534f, 2, BootFile.KernelStart, 1, 0, 0],
            Enumerable.Range(0, 6).Select(index => BinaryPrimitives.ReadUInt64LittleEndian(info.AsSpan(8 * index))));
    }

    [Fact]
    public void The_place_to_which_firmware_moves_the_device_tree_is_kept_free()
    {
        using TestRam ram = new((36 * MiB, false)); // ends where that place ends
        GuestOptions options = new() { Kernel = Write("kernel", s_kernel), Firmware = Write("firmware", [1]) };

        Assert.InRange(Load(ram, options).DeviceTree, BootFile.KernelStart, 0x8220_0000ul);
    }

    [Fact]
    public void A_read_only_backend_after_the_RAM_is_left_as_it_is()
    {
        using TestRam ram = new((16 * MiB, false), (MiB, true));

        BootEntry entry = Load(ram, new GuestOptions { Kernel = Write("kernel", s_kernel) });

        Assert.InRange(entry.DeviceTree, BootFile.KernelStart, 0x8100_0000ul);
        Assert.All(ram.Read(0x8100_0000, (int)MiB), value => Assert.Equal(0xa5, value));
    }

    [Fact]
    public void A_read_only_backend_where_the_kernel_belongs_is_an_error()
    {
        using TestRam ram = new((16 * MiB, true), (16 * MiB, false));

        Fails(GuestErrorIds.RamReadOnly, ram, new GuestOptions { Kernel = Write("kernel", s_kernel) });
    }

    [Fact]
    public void RAM_that_starts_with_ROM_is_an_error_even_where_the_kernel_would_not_be_in_it()
    {
        using TestRam ram = new((MiB, true), (16 * MiB, false));

        GuestException error = Fails(GuestErrorIds.RamReadOnly, ram, new GuestOptions { Kernel = Write("kernel", s_kernel) });

        Assert.Equal("Make a writable backend the first; read-only ones may follow it.", error.RecommendedAction);
        Assert.Contains("0x80000000", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ROM_is_not_told_to_the_kernel_as_memory()
    {
        using TestRam ram = new((8 * MiB, false), (MiB, true));

        DeviceTree tree = ReadTree(ram, Load(ram, new GuestOptions { Kernel = Write("kernel", s_kernel) }));

        Assert.True(tree.Has("/memory@80000000/reg"));
        Assert.False(tree.Has("/memory@80800000/reg"));
        Assert.Equal(new AddressRange(0x8080_0000, MiB), tree.Reg("/rom@80800000"));
    }

    [Fact]
    public void RAM_that_is_too_small_for_the_kernel_is_an_error()
    {
        using TestRam ram = new((4 * MiB, false));

        GuestException error = Fails(
            GuestErrorIds.RamTooSmall, ram, new GuestOptions { Kernel = Write("kernel", BootFile.Image([0x13], imageSize: 2 * MiB + 1)) });
        Assert.Contains($"{(4 * MiB) + 1} bytes are needed, there are {4 * MiB}", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void RAM_without_room_for_the_device_tree_is_an_error()
    {
        using TestRam ram = new((2 * MiB, false));

        // From the first byte to the last.
        Fails(
            GuestErrorIds.RamTooSmall,
            ram,
            new GuestOptions { Kernel = Write("kernel", BootFile.Image([0x13], textOffset: 0, imageSize: 2 * MiB)) });
    }

    [Fact]
    public void An_initrd_that_does_not_fit_beside_the_kernel_is_an_error()
    {
        using TestRam ram = new((4 * MiB, false));
        GuestOptions options =
            new() { Kernel = Write("kernel", BootFile.Image([0x13], imageSize: MiB)), Initrd = Path.Combine(_folder.FullName, "initrd") };
        using (FileStream initrd = File.Create(options.Initrd))
        {
            initrd.SetLength((long)(2 * MiB) + 1);
        }

        GuestException error = Fails(GuestErrorIds.InitrdTooLarge, ram, options);
        Assert.Equal(options.Initrd, error.Target);
    }

    [Fact]
    public void A_kernel_in_the_place_of_the_firmware_is_an_error()
    {
        using TestRam ram = new((16 * MiB, false));
        GuestOptions options = new() { Kernel = Write("kernel", BootFile.Image([0x13], textOffset: 0)), Firmware = Write("firmware", [1]) };

        Fails(GuestErrorIds.BootImagesOverlap, ram, options);
    }

    [Fact]
    public void Files_that_do_not_exist_are_errors_by_their_role()
    {
        string missing = Path.Combine(_folder.FullName, "missing");
        string kernel = Write("kernel", s_kernel);

        OpenFails(GuestErrorIds.KernelNotFound, new GuestOptions { Kernel = missing });
        OpenFails(GuestErrorIds.KernelNotFound, new GuestOptions { Kernel = Path.Combine(kernel, "below-a-file") });
        OpenFails(GuestErrorIds.FirmwareNotFound, new GuestOptions { Firmware = missing });
        OpenFails(GuestErrorIds.InitrdNotFound, new GuestOptions { Kernel = kernel, Initrd = missing });
    }

    [Fact]
    public void What_is_not_a_regular_file_is_refused()
    {
        string kernel = Write("kernel", s_kernel);
        string fifo = Path.Combine(_folder.FullName, "fifo");
        Assert.Equal(0, Mono.Unix.Native.Syscall.mkfifo(fifo, Mono.Unix.Native.FilePermissions.DEFFILEMODE));

        OpenFails(GuestErrorIds.KernelUnreadable, new GuestOptions { Kernel = _folder.FullName });
        OpenFails(GuestErrorIds.KernelUnreadable, new GuestOptions { Kernel = fifo });
        OpenFails(GuestErrorIds.FirmwareUnreadable, new GuestOptions { Firmware = "/dev/null" });
        OpenFails(GuestErrorIds.InitrdUnreadable, new GuestOptions { Kernel = kernel, Initrd = _folder.FullName });
    }

    [SkippableFact]
    public void What_may_not_be_read_is_refused()
    {
        string kernel = Write("kernel", s_kernel);
        File.SetUnixFileMode(kernel, UnixFileMode.UserRead);
        File.SetUnixFileMode(_folder.FullName, UnixFileMode.UserRead | UnixFileMode.UserExecute | UnixFileMode.OtherExecute);

        Host.AsNobody(() => OpenFails(GuestErrorIds.KernelUnreadable, new GuestOptions { Kernel = kernel }));

        File.SetUnixFileMode(_folder.FullName, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        Host.AsNobody(() => OpenFails(GuestErrorIds.KernelUnreadable, new GuestOptions { Kernel = kernel }));
    }

    [Fact]
    public void An_initrd_needs_a_kernel()
    {
        OpenFails(GuestErrorIds.InitrdWithoutKernel, new GuestOptions { Initrd = Write("initrd", [1]) });
        OpenFails(GuestErrorIds.InitrdWithoutKernel, new GuestOptions { Initrd = Write("initrd", [1]), Firmware = Write("firmware", [1]) });
    }

    [Theory]
    [InlineData("quiet\0init=/bin/sh")]
    [InlineData("\0")]
    public void A_command_line_that_the_kernel_would_see_half_of_is_refused(string commandLine) =>
        OpenFails(GuestErrorIds.CommandLineInvalid, new GuestOptions { CommandLine = commandLine });

    [Fact]
    public void Without_kernel_and_firmware_the_embedded_guest_boots()
    {
        using BootFiles files = BootFiles.Open(new GuestOptions());

        Assert.Equal("embedded guest", files.Name);
        Assert.Equal(BootFile.KernelStart, files.Kernel!.Entry);
    }

    private static BootEntry Load(TestRam ram, GuestOptions options, string commandLine = "", Action<int>? loaded = null)
    {
        using BootFiles files = BootFiles.Open(options);
        return BootLoader.Load(ram.Memory, files, MachineType.Get("virt"), 1, commandLine, loaded ?? (_ => { }));
    }

    private static DeviceTree ReadTree(TestRam ram, BootEntry entry)
    {
        uint size = BinaryPrimitives.ReadUInt32BigEndian(ram.Read(entry.DeviceTree + 4, 4));
        return new DeviceTree(ram.Read(entry.DeviceTree, (int)size));
    }

    private static GuestException Fails(string errorId, TestRam ram, GuestOptions options)
    {
        GuestException error = Assert.Throws<GuestException>(() => Load(ram, options));
        Assert.Equal(errorId, error.ErrorId);
        return error;
    }

    private static void OpenFails(string errorId, GuestOptions options) =>
        Assert.Equal(errorId, Assert.Throws<GuestException>(() => BootFiles.Open(options)).ErrorId);

    private string Write(string name, byte[] content)
    {
        string path = Path.Combine(_folder.FullName, name);
        File.WriteAllBytes(path, content);
        return path;
    }
}
