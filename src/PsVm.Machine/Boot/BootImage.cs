using System.Buffers.Binary;
using PsVm.Machine.Board;
using PsVm.Machine.Devices;
using PsVm.Riscv.Memory;

namespace PsVm.Machine.Boot;

/// <summary>What a file is to a guest; it names the errors about it.</summary>
/// <param name="Noun">What it is called in messages.</param>
/// <param name="NotFoundId">Error id when the file does not exist.</param>
/// <param name="UnreadableId">Error id when the file cannot be read.</param>
internal sealed record BootRole(string Noun, string NotFoundId, string UnreadableId)
{
    public static readonly BootRole Kernel = new("kernel", GuestErrorIds.KernelNotFound, GuestErrorIds.KernelUnreadable);
    public static readonly BootRole Firmware = new("firmware", GuestErrorIds.FirmwareNotFound, GuestErrorIds.FirmwareUnreadable);
    public static readonly BootRole Initrd = new("initrd", GuestErrorIds.InitrdNotFound, GuestErrorIds.InitrdUnreadable);

    /// <summary>The error for a file that cannot be read.</summary>
    public GuestException Unreadable(string path, string found, Exception? cause = null) => new(
        UnreadableId, $"Expected a readable regular file for the {Noun} at '{path}', found: {found}", path, inner: cause);
}

/// <summary>A piece of a boot file and its place in guest memory.</summary>
/// <param name="Address">Guest physical address.</param>
/// <param name="FileOffset">Where its bytes are in the file.</param>
/// <param name="FileSize">Bytes from the file.</param>
/// <param name="MemorySize">Bytes in memory; those that the file does not give are zero.</param>
internal readonly record struct BootSegment(ulong Address, ulong FileOffset, ulong FileSize, ulong MemorySize)
{
    public AddressRange Range => new(Address, MemorySize);
}

/// <summary>A kernel or firmware as its file describes itself: where its pieces go and where it begins to run.</summary>
/// <param name="Name">The file.</param>
/// <param name="Role">What it is to the guest.</param>
/// <param name="Entry">Guest physical address of the first instruction.</param>
/// <param name="Segments">Its pieces.</param>
internal sealed record BootImage(string Name, BootRole Role, ulong Entry, IReadOnlyList<BootSegment> Segments)
{
    /// <summary>Where a kernel goes when something else owns the start of RAM: every supervisor expects 2 MiB alignment.</summary>
    public const ulong KernelStart = MemoryMap.RamStart + 0x20_0000;

    private const ulong ChunkSize = 1 << 16;
    private const int LinuxHeaderSize = 64;
    private const uint LinuxMagic2 = 0x0543_5352; // "RSC\x05"
    private const ulong LinuxFlagBigEndian = 1;
    private const uint ElfMagic = 0x464c_457f;

    // Magic numbers of the ways that distributions compress kernels.
    private static readonly (string Format, byte[] Magic, int Offset)[] s_compressed =
    [
        ("gzip", [0x1f, 0x8b], 0),
        ("xz", [0xfd, (byte)'7', (byte)'z', (byte)'X', (byte)'Z'], 0),
        ("zstd", [0x28, 0xb5, 0x2f, 0xfd], 0),
        ("bzip2", "BZh"u8.ToArray(), 0),
        ("lz4", [0x02, 0x21, 0x4c, 0x18], 0),
        ("lz4", [0x04, 0x22, 0x4d, 0x18], 0),
        ("EFI zboot", "zimg"u8.ToArray(), 4),
    ];

    /// <summary>Reads the headers of a kernel: a flat Linux Image or an ELF file.</summary>
    /// <exception cref="GuestException">It is neither, or not for this machine.</exception>
    public static BootImage ReadKernel(Stream file, string name)
    {
        byte[] header = ReadHeader(file);
        if (IsElf(header))
        {
            return ElfFile.Read(file, name, BootRole.Kernel, KernelStart);
        }

        foreach ((string format, byte[] magic, int offset) in s_compressed)
        {
            if (header.Length >= offset + magic.Length && header.AsSpan(offset, magic.Length).SequenceEqual(magic))
            {
                throw new GuestException(
                    GuestErrorIds.KernelCompressed,
                    $"Expected a flat RISC-V Linux Image or an ELF file, found a kernel compressed as {format}.",
                    name,
                    format == "EFI zboot" ? "Use the Image it was made from." : $"Decompress it first ({format}).");
            }
        }

        // Source: Linux, Documentation/arch/riscv/boot-image-header.rst.
        if (header.Length < LinuxHeaderSize
            || BinaryPrimitives.ReadUInt32LittleEndian(header.AsSpan(56)) != LinuxMagic2
            || (BinaryPrimitives.ReadUInt64LittleEndian(header.AsSpan(24)) & LinuxFlagBigEndian) != 0)
        {
            throw new GuestException(
                GuestErrorIds.KernelNotRecognised,
                $"Expected a flat little-endian RISC-V Linux Image or an ELF file, found neither header in {file.Length} bytes.",
                name);
        }

        ulong address = MemoryMap.RamStart + BinaryPrimitives.ReadUInt64LittleEndian(header.AsSpan(8));
        ulong size = Math.Max(BinaryPrimitives.ReadUInt64LittleEndian(header.AsSpan(16)), (ulong)file.Length);
        return new BootImage(name, BootRole.Kernel, address, [new BootSegment(address, 0, (ulong)file.Length, size)]);
    }

    /// <summary>An initial RAM disk or other plain bytes for a place in memory.</summary>
    public static BootImage Plain(Stream file, string name, BootRole role, ulong address) =>
        new(name, role, address, [new BootSegment(address, 0, (ulong)file.Length, (ulong)file.Length)]);

    /// <summary>Reads the headers of a firmware: an ELF file, or anything else as it is, to the start of RAM.</summary>
    /// <exception cref="GuestException">An ELF file that is not for this machine.</exception>
    public static BootImage ReadFirmware(Stream file, string name) => IsElf(ReadHeader(file))
        ? ElfFile.Read(file, name, BootRole.Firmware, MemoryMap.RamStart)
        : Plain(file, name, BootRole.Firmware, MemoryMap.RamStart);

    /// <summary>Bytes from the file.</summary>
    public long FileSize => Segments.Sum(segment => (long)segment.FileSize);

    /// <summary>Puts the pieces in guest memory, which has room for them.</summary>
    /// <param name="file">The file.</param>
    /// <param name="memory">The guest's.</param>
    /// <param name="loaded">Told of each piece of the file that was read, by its bytes; may throw.</param>
    /// <exception cref="GuestException">The file cannot be read or is shorter than it was, or the RAM cannot be written.</exception>
    public void Load(Stream file, PhysicalMemory memory, Action<int> loaded)
    {
        foreach (BootSegment segment in Segments)
        {
            GuestAddress start = new(segment.Address);
            RamOutcome read = ReadInto(memory, start, file, segment, loaded);
            if (read.Status == RamStatus.Incomplete)
            {
                throw Role.Unreadable(Name, $"it ended {segment.FileSize - read.Bytes} bytes early");
            }

            BootLoader.ThrowIfNotDone(read, start, segment.FileSize, Name);
            ulong rest = segment.MemorySize - segment.FileSize;
            if (rest > 0 && start.TryAdd(segment.FileSize, out GuestAddress end))
            {
                BootLoader.ThrowIfNotDone(memory.Fill(end, rest, 0), end, rest, Name);
            }
        }
    }

    /// <summary>Reads a piece of the file into guest memory.</summary>
    /// <remarks>
    /// Not straight into it: a page that cannot be had would be the kernel's to find, and seem to be an error of the file.
    /// </remarks>
    private RamOutcome ReadInto(PhysicalMemory memory, GuestAddress start, Stream file, BootSegment segment, Action<int> loaded)
    {
        byte[] buffer = new byte[Math.Min(segment.FileSize, ChunkSize)];
        try
        {
            file.Position = (long)segment.FileOffset;
            return memory.Visit(
                start, segment.FileSize, RamUse.Write, part => Copy(file, buffer, part, loaded));
        }
        catch (IOException cause)
        {
            throw Role.Unreadable(Name, cause.Message, cause);
        }
    }

    private static int Copy(Stream file, byte[] buffer, Span<byte> target, Action<int> loaded)
    {
        int done = 0;
        while (done < target.Length && file.Read(buffer, 0, Math.Min(buffer.Length, target.Length - done)) is var read and > 0)
        {
            buffer.AsSpan(0, read).CopyTo(target[done..]);
            done += read;
            loaded(read);
        }

        return done;
    }

    private static byte[] ReadHeader(Stream file)
    {
        byte[] header = new byte[LinuxHeaderSize];
        file.Position = 0;
        return header[..file.ReadAtLeast(header, header.Length, throwOnEndOfStream: false)];
    }

    private static bool IsElf(byte[] header) => header.Length >= 4 && BinaryPrimitives.ReadUInt32LittleEndian(header) == ElfMagic;
}
