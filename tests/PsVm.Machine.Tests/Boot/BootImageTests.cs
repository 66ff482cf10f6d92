using PsVm.Machine.Boot;
using PsVm.Machine.Tests.Support;

namespace PsVm.Machine.Tests.Boot;

public class BootImageTests
{
    private static readonly byte[] s_content = [1, 2, 3, 4];

    [Fact]
    public void A_flat_Image_goes_where_its_header_says()
    {
        byte[] file = BootFile.Image([1, 2], textOffset: 0x40_0000, imageSize: 0x1000);

        BootImage image = ReadKernel(file);

        Assert.Equal(0x8040_0000ul, image.Entry);
        Assert.Equal([new BootSegment(0x8040_0000, 0, (ulong)file.Length, 0x1000)], image.Segments);
    }

    [Fact]
    public void A_flat_Image_is_never_smaller_in_memory_than_in_its_file()
    {
        byte[] file = BootFile.Image([1, 2], imageSize: 8);

        Assert.Equal((ulong)file.Length, ReadKernel(file).Segments[0].MemorySize);
    }

    [Fact]
    public void The_loaded_segments_of_an_ELF_file_go_to_their_physical_addresses()
    {
        byte[] file = BootFile.Elf(
            entry: 0xffff_ffff_8000_0002,
            [
                new ElfSegment(0, [9, 9], Type: 4),
                new ElfSegment(0x8020_0000, s_content, VirtualAddress: 0xffff_ffff_8000_0000),
                new ElfSegment(0x8030_0000, s_content, MemorySize: 0x2000, VirtualAddress: 0xffff_ffff_8010_0000),
            ]);

        BootImage image = ReadKernel(file);

        Assert.Equal(0x8020_0002ul, image.Entry);
        ulong data = 64 + (3 * 56) + 2;
        Assert.Equal([new BootSegment(0x8020_0000, data, 4, 4), new BootSegment(0x8030_0000, data + 4, 4, 0x2000)], image.Segments);
    }

    [Fact]
    public void A_position_independent_ELF_file_that_is_linked_below_RAM_is_moved()
    {
        byte[] file = BootFile.Elf(entry: 2, [new ElfSegment(0, s_content), new ElfSegment(0x1000, s_content)], type: 3);

        BootImage kernel = ReadKernel(file);
        BootImage firmware = BootImage.ReadFirmware(new MemoryStream(file), "firmware");

        Assert.Equal((0x8020_0002ul, 0x8020_1000ul), (kernel.Entry, kernel.Segments[1].Address));
        Assert.Equal((0x8000_0002ul, 0x8000_1000ul), (firmware.Entry, firmware.Segments[1].Address));
    }

    [Fact]
    public void A_flat_firmware_goes_to_the_start_of_RAM()
    {
        BootImage firmware = BootImage.ReadFirmware(new MemoryStream(s_content), "firmware");

        Assert.Equal(0x8000_0000ul, firmware.Entry);
        Assert.Equal([new BootSegment(0x8000_0000, 0, 4, 4)], firmware.Segments);
    }

    [Fact]
    public void Loading_clears_what_the_file_does_not_give()
    {
        using TestRam ram = new((0x10_0000, false));
        byte[] file = BootFile.Elf(0x8000_1000, [new ElfSegment(0x8000_1000, s_content, MemorySize: 6)]);

        ReadKernel(file).Load(new MemoryStream(file), ram.Memory.Physical, _ => { });

        Assert.Equal([0xa5, 1, 2, 3, 4, 0, 0, 0xa5], ram.Read(0x8000_0fff, 8));
    }

    [Fact]
    public void A_file_that_shrinks_while_it_is_loaded_is_an_error()
    {
        using TestRam ram = new((0x10_0000, false));
        byte[] file = BootFile.Elf(0x8000_1000, [new ElfSegment(0x8000_1000, s_content)]);

        GuestException error = Assert.Throws<GuestException>(
            () => ReadKernel(file).Load(new MemoryStream(file[..^1]), ram.Memory.Physical, _ => { }));

        Assert.Equal(GuestErrorIds.KernelUnreadable, error.ErrorId);
    }

    [Theory]
    [InlineData(new byte[0])]
    [InlineData(new byte[] { 0x7f })]
    [InlineData(new byte[] { (byte)'#', (byte)'!', (byte)'/', (byte)'b', (byte)'i', (byte)'n', (byte)'/', (byte)'s', (byte)'h' })]
    public void What_has_no_header_is_not_recognised(byte[] file) => Fails(GuestErrorIds.KernelNotRecognised, file);

    [Fact]
    public void A_big_endian_Image_is_not_recognised() => Fails(GuestErrorIds.KernelNotRecognised, BootFile.Image([1], flags: 1));

    [Theory]
    [InlineData("gzip", 0, new byte[] { 0x1f, 0x8b, 8 })]
    [InlineData("xz", 0, new byte[] { 0xfd, 0x37, 0x7a, 0x58, 0x5a, 0 })]
    [InlineData("zstd", 0, new byte[] { 0x28, 0xb5, 0x2f, 0xfd })]
    [InlineData("bzip2", 0, new byte[] { 0x42, 0x5a, 0x68 })]
    [InlineData("lz4", 0, new byte[] { 0x02, 0x21, 0x4c, 0x18 })]
    [InlineData("lz4", 0, new byte[] { 0x04, 0x22, 0x4d, 0x18 })]
    [InlineData("EFI zboot", 4, new byte[] { 0x7a, 0x69, 0x6d, 0x67 })]
    public void A_compressed_kernel_is_named_as_such(string format, int offset, byte[] magic)
    {
        byte[] file = new byte[100];
        magic.CopyTo(file, offset);

        GuestException error = Fails(GuestErrorIds.KernelCompressed, file);

        Assert.Contains(format, error.Message, StringComparison.Ordinal);
        Assert.NotNull(error.RecommendedAction);
    }

    [Fact]
    public void An_ELF_file_for_another_machine_is_refused()
    {
        ElfSegment[] segments = [new ElfSegment(0x8020_0000, s_content)];

        Assert.Contains(
            "machine 62",
            Fails(GuestErrorIds.ElfNotRiscv64, BootFile.Elf(0x8020_0000, segments, machine: 62)).Message,
            StringComparison.Ordinal);
        Assert.Contains(
            "class 1",
            Fails(GuestErrorIds.ElfNotRiscv64, BootFile.Elf(0x8020_0000, segments, elfClass: 1)).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void An_ELF_file_that_is_no_program_is_refused()
    {
        ElfSegment[] segments = [new ElfSegment(0x8020_0000, s_content)];

        Fails(GuestErrorIds.ElfNotExecutable, BootFile.Elf(0x8020_0000, segments, type: 1));
        Fails(GuestErrorIds.ElfNotExecutable, BootFile.Elf(0x8020_0000, []));
        Fails(GuestErrorIds.ElfNotExecutable, BootFile.Elf(0x8020_0000, segments, programHeaderSize: 32));
        Fails(GuestErrorIds.ElfNotExecutable, BootFile.Elf(0x9000_0000, segments));
        Fails(GuestErrorIds.ElfNotExecutable, BootFile.Elf(0x8020_0001, segments));
        Fails(GuestErrorIds.ElfNotExecutable, BootFile.Elf(0x8020_0000, [new ElfSegment(0x8020_0000, s_content, Type: 2)]));
    }

    [Fact]
    public void An_ELF_file_that_ends_early_is_refused()
    {
        byte[] file = BootFile.Elf(0x8020_0000, [new ElfSegment(0x8020_0000, s_content)]);

        foreach (int length in (int[])[4, 63, 64, 64 + 55, file.Length - 1])
        {
            Fails(GuestErrorIds.ElfTruncated, file[..length]);
        }

        Fails(GuestErrorIds.ElfTruncated, BootFile.Elf(0x8020_0000, [new ElfSegment(0x8020_0000, s_content, FileSize: ulong.MaxValue)]));
        Fails(GuestErrorIds.ElfTruncated, BootFile.Elf(0x8020_0000, [new ElfSegment(0x8020_0000, s_content, MemorySize: 3)]));
    }

    private static BootImage ReadKernel(byte[] file) => BootImage.ReadKernel(new MemoryStream(file), "kernel");

    private static GuestException Fails(string errorId, byte[] file)
    {
        GuestException error = Assert.Throws<GuestException>(() => ReadKernel(file));
        Assert.Equal((errorId, (object?)"kernel"), (error.ErrorId, error.Target));
        return error;
    }
}
