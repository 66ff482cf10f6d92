using System.Buffers.Binary;
using PsVm.Machine.Board;

namespace PsVm.Machine.Boot;

/// <summary>Reads the headers of ELF programs. Source: System V ABI, chapters 4 and 5; RISC-V ELF psABI.</summary>
internal static class ElfFile
{
    private const int HeaderSize = 64;
    private const int ProgramHeaderSize = 56;
    private const byte Class64 = 2;
    private const byte LittleEndian = 1;
    private const ushort TypeExecutable = 2;
    private const ushort TypeDynamic = 3;
    private const ushort MachineRiscv = 243;
    private const uint SegmentLoad = 1;

    /// <summary>Reads where a program's segments go and where it begins.</summary>
    /// <param name="file">The file.</param>
    /// <param name="name">The file's name, for errors.</param>
    /// <param name="role">What it is to the guest.</param>
    /// <param name="loadAddress">Where a position-independent program goes that is linked below RAM.</param>
    public static BootImage Read(Stream file, string name, BootRole role, ulong loadAddress)
    {
        ReadOnlySpan<byte> header = ReadAt(file, name, 0, HeaderSize);
        ushort type = BinaryPrimitives.ReadUInt16LittleEndian(header[16..]);
        ushort machine = BinaryPrimitives.ReadUInt16LittleEndian(header[18..]);
        if (header[4] != Class64 || header[5] != LittleEndian || machine != MachineRiscv)
        {
            throw new GuestException(
                GuestErrorIds.ElfNotRiscv64,
                $"Expected a 64-bit little-endian ELF file for machine {MachineRiscv} (RISC-V), found class {header[4]}, "
                + $"data encoding {header[5]}, machine {machine}.",
                name);
        }

        ushort entrySize = BinaryPrimitives.ReadUInt16LittleEndian(header[54..]);
        ushort count = BinaryPrimitives.ReadUInt16LittleEndian(header[56..]);
        if (type is not (TypeExecutable or TypeDynamic) || entrySize != ProgramHeaderSize || count == 0)
        {
            throw NotExecutable(name, $"type {type} with {count} program headers of {entrySize} bytes");
        }

        ulong entry = BinaryPrimitives.ReadUInt64LittleEndian(header[24..]);
        if ((entry & 1) != 0)
        {
            throw NotExecutable(name, $"the odd entry point 0x{entry:x}");
        }

        ulong offset = BinaryPrimitives.ReadUInt64LittleEndian(header[32..]);
        return Place(ReadAt(file, name, offset, count * ProgramHeaderSize), (ulong)file.Length, entry, type, name, role, loadAddress);
    }

    private static BootImage Place(
        ReadOnlySpan<byte> programHeaders, ulong fileLength, ulong entry, ushort type, string name, BootRole role, ulong loadAddress)
    {
        List<BootSegment> segments = [];
        ulong lowest = ulong.MaxValue;
        ulong? physicalEntry = null;
        for (; !programHeaders.IsEmpty; programHeaders = programHeaders[ProgramHeaderSize..])
        {
            ulong fileOffset = BinaryPrimitives.ReadUInt64LittleEndian(programHeaders[8..]);
            ulong virtualAddress = BinaryPrimitives.ReadUInt64LittleEndian(programHeaders[16..]);
            ulong address = BinaryPrimitives.ReadUInt64LittleEndian(programHeaders[24..]);
            ulong fileSize = BinaryPrimitives.ReadUInt64LittleEndian(programHeaders[32..]);
            ulong memorySize = BinaryPrimitives.ReadUInt64LittleEndian(programHeaders[40..]);
            if (BinaryPrimitives.ReadUInt32LittleEndian(programHeaders) != SegmentLoad || memorySize == 0)
            {
                continue;
            }

            if (fileOffset > fileLength || fileSize > fileLength - fileOffset || memorySize < fileSize)
            {
                throw Truncated(name, fileOffset, fileSize, fileLength);
            }

            segments.Add(new BootSegment(address, fileOffset, fileSize, memorySize));
            lowest = Math.Min(lowest, address);
            if (entry - virtualAddress < memorySize)
            {
                physicalEntry ??= address + (entry - virtualAddress);
            }
        }

        if (physicalEntry is not ulong start)
        {
            throw NotExecutable(name, $"no loaded segment that holds the entry point 0x{entry:x}");
        }

        ulong shift = type == TypeDynamic && lowest < MemoryMap.RamStart ? loadAddress - lowest : 0;
        return new BootImage(
            name, role, start + shift, segments.ConvertAll(segment => segment with { Address = segment.Address + shift }));
    }

    private static byte[] ReadAt(Stream file, string name, ulong offset, int length)
    {
        if (offset > (ulong)file.Length || (ulong)length > (ulong)file.Length - offset)
        {
            throw Truncated(name, offset, (ulong)length, (ulong)file.Length);
        }

        byte[] bytes = new byte[length];
        file.Position = (long)offset;
        file.ReadExactly(bytes);
        return bytes;
    }

    private static GuestException Truncated(string name, ulong offset, ulong length, ulong fileLength) => new(
        GuestErrorIds.ElfTruncated,
        $"Expected {length} bytes at offset {offset}, as the ELF headers say, found a file of {fileLength} bytes.",
        name);

    private static GuestException NotExecutable(string name, string found) => new(
        GuestErrorIds.ElfNotExecutable,
        $"Expected an ELF program with something to load, found {found}.",
        name);
}
