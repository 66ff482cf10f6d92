using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace PsVm.Machine.Tests.Support;

/// <summary>Makes kernels of a few instructions.</summary>
internal static class BootFile
{
    public const ulong KernelStart = 0x8020_0000;

    private const int HeaderSize = 64;
    private const int ProgramHeaderSize = 56;

    /// <summary>A flat Linux Image; the code begins after the header, 64 bytes on.</summary>
    public static byte[] Image(ReadOnlySpan<uint> code, ulong textOffset = 0x20_0000, ulong imageSize = 0, ulong flags = 0)
    {
        byte[] image = new byte[HeaderSize + (code.Length * 4)];
        BinaryPrimitives.WriteUInt32LittleEndian(image, Riscv.Tests.Asm.Jal(0, HeaderSize));
        BinaryPrimitives.WriteUInt64LittleEndian(image.AsSpan(8), textOffset);
        BinaryPrimitives.WriteUInt64LittleEndian(image.AsSpan(16), imageSize == 0 ? (ulong)image.Length : imageSize);
        BinaryPrimitives.WriteUInt64LittleEndian(image.AsSpan(24), flags);
        "RISCV"u8.CopyTo(image.AsSpan(48));
        "RSC\u0005"u8.CopyTo(image.AsSpan(56));
        MemoryMarshal.AsBytes(code).CopyTo(image.AsSpan(HeaderSize));
        return image;
    }

    /// <summary>An ELF program whose segments lie one after the other in the file.</summary>
    public static byte[] Elf(
        ulong entry,
        IReadOnlyList<ElfSegment> segments,
        ushort type = 2,
        ushort machine = 243,
        byte elfClass = 2,
        ushort programHeaderSize = ProgramHeaderSize)
    {
        using MemoryStream file = new();
        byte[] header = new byte[HeaderSize];
        ((ReadOnlySpan<byte>)[0x7f, (byte)'E', (byte)'L', (byte)'F', elfClass, 1, 1]).CopyTo(header);
        BinaryPrimitives.WriteUInt16LittleEndian(header.AsSpan(16), type);
        BinaryPrimitives.WriteUInt16LittleEndian(header.AsSpan(18), machine);
        BinaryPrimitives.WriteUInt64LittleEndian(header.AsSpan(24), entry);
        BinaryPrimitives.WriteUInt64LittleEndian(header.AsSpan(32), HeaderSize);
        BinaryPrimitives.WriteUInt16LittleEndian(header.AsSpan(54), programHeaderSize);
        BinaryPrimitives.WriteUInt16LittleEndian(header.AsSpan(56), (ushort)segments.Count);
        file.Write(header);
        ulong offset = HeaderSize + (ProgramHeaderSize * (ulong)segments.Count);
        foreach (ElfSegment segment in segments)
        {
            byte[] program = new byte[ProgramHeaderSize];
            BinaryPrimitives.WriteUInt32LittleEndian(program, segment.Type);
            BinaryPrimitives.WriteUInt64LittleEndian(program.AsSpan(8), offset);
            BinaryPrimitives.WriteUInt64LittleEndian(program.AsSpan(16), segment.VirtualAddress ?? segment.Address);
            BinaryPrimitives.WriteUInt64LittleEndian(program.AsSpan(24), segment.Address);
            BinaryPrimitives.WriteUInt64LittleEndian(program.AsSpan(32), segment.FileSize ?? (ulong)segment.Content.Length);
            BinaryPrimitives.WriteUInt64LittleEndian(program.AsSpan(40), segment.MemorySize ?? (ulong)segment.Content.Length);
            file.Write(program);
            offset += (ulong)segment.Content.Length;
        }

        foreach (ElfSegment segment in segments)
        {
            file.Write(segment.Content);
        }

        return file.ToArray();
    }
}

/// <summary>A segment of an ELF file; what is null follows from the content.</summary>
internal sealed record ElfSegment(
    ulong Address, byte[] Content, ulong? MemorySize = null, ulong? VirtualAddress = null, ulong? FileSize = null, uint Type = 1);
