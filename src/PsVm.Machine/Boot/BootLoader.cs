using System.Buffers.Binary;
using System.Security.Cryptography;
using PsVm.Machine.Board;
using PsVm.Machine.Devices;
using PsVm.Riscv.Memory;

namespace PsVm.Machine.Boot;

/// <summary>Puts everything that boots in guest memory.</summary>
internal static class BootLoader
{
    private const ulong PageSize = 4096;
    private const int SeedSize = 72;

    // OpenSBI's fw_jump moves the device tree here, 34 MiB into RAM, and reserves no more than the space to the next 2 MiB.
    private static readonly AddressRange s_firmwareDeviceTree = new(MemoryMap.RamStart + 0x220_0000, 0x20_0000);

    /// <summary>Decides places, loads, and writes the device tree.</summary>
    /// <param name="memory">The guest's.</param>
    /// <param name="files">What boots.</param>
    /// <param name="machine">What the device tree is of.</param>
    /// <param name="harts">Number of harts.</param>
    /// <param name="commandLine">The kernel's.</param>
    /// <param name="loaded">Told of each piece of a file that is in RAM, by its bytes, and ends the loading with what it throws.</param>
    /// <exception cref="GuestException">Something has no room, its file fails, or RAM starts with ROM.</exception>
    public static BootEntry Load(
        GuestMemory memory, BootFiles files, MachineType machine, int harts, string commandLine, Action<int> loaded)
    {
        if (memory.Blocks[0].ReadOnly)
        {
            throw new GuestException(
                GuestErrorIds.RamReadOnly,
                $"Expected a writable backend at the start of RAM, 0x{MemoryMap.RamStart:x}, for what boots, found a read-only one.",
                files.Name,
                "Make a writable backend the first; read-only ones may follow it.");
        }

        BootPlan plan = new(memory.Blocks);
        if (files.Firmware is not null)
        {
            plan.Place(files.Firmware);
        }

        if (files.Kernel is not null)
        {
            plan.Place(files.Kernel);
        }

        if (files.Firmware is not null)
        {
            plan.Avoid(s_firmwareDeviceTree);
        }

        AddressRange? initrd = PlaceInitrd(plan, files);
        byte[] tree = BoardDeviceTree.Build(new BoardDescription(
            machine,
            harts,
            memory.Blocks,
            commandLine,
            initrd,
            RandomNumberGenerator.GetBytes(SeedSize)));
        byte[] info = files.Firmware is null ? [] : FirmwareInfo(files.Kernel);
        ulong infoOffset = ((ulong)tree.Length + 7) & ~7ul;
        ulong size = infoOffset + (ulong)info.Length;
        AddressRange place = plan.TakeHighest(size, PageSize)
            ?? throw plan.NoRoom(GuestErrorIds.RamTooSmall, files.Name, "device tree", size);

        files.Load(memory.Physical, loaded);
        if (initrd is AddressRange range)
        {
            BootImage.Plain(files.Initrd!, files.InitrdName!, BootRole.Initrd, range.Start).Load(files.Initrd!, memory.Physical, loaded);
        }

        Write(memory.Physical, place.Start, tree, files.Name);
        Write(memory.Physical, place.Start + infoOffset, info, files.Name);
        return new BootEntry(
            (files.Firmware ?? files.Kernel)!.Entry, place.Start, files.Firmware is null ? null : place.Start + infoOffset);
    }

    /// <summary>Throws when RAM did not take what the plan has a place for.</summary>
    /// <param name="outcome">What became of it.</param>
    /// <param name="start">Where it was to go.</param>
    /// <param name="size">Its bytes.</param>
    /// <param name="name">What boots.</param>
    /// <exception cref="GuestException">Not all of it was written.</exception>
    public static void ThrowIfNotDone(RamOutcome outcome, GuestAddress start, ulong size, string name)
    {
        if (!outcome.IsDone)
        {
            throw new GuestException(
                outcome.Status == RamStatus.ReadOnly ? GuestErrorIds.RamReadOnly : GuestErrorIds.OutsideRam,
                $"Expected {size} bytes of writable RAM at {start}, found {outcome.Status} after {outcome.Bytes} bytes.",
                name);
        }
    }

    private static void Write(PhysicalMemory memory, ulong start, byte[] bytes, string name)
    {
        GuestAddress address = new(start);
        ThrowIfNotDone(memory.Write(address, bytes), address, (ulong)bytes.Length, name);
    }

    private static AddressRange? PlaceInitrd(BootPlan plan, BootFiles files)
    {
        if (files.Initrd is null)
        {
            return null;
        }

        ulong size = (ulong)files.Initrd.Length;
        return plan.TakeHighest(size, PageSize) ?? throw plan.NoRoom(GuestErrorIds.InitrdTooLarge, files.InitrdName!, "initrd", size);
    }

    /// <summary>Tells OpenSBI's fw_dynamic where to go on. Source: OpenSBI, docs/firmware/fw_dynamic.md.</summary>
    private static byte[] FirmwareInfo(BootImage? kernel)
    {
        const ulong magic = 0x4942_534f;
        const ulong version = 2;
        const ulong supervisorMode = 1;
        ReadOnlySpan<ulong> fields = [magic, version, kernel?.Entry ?? 0, supervisorMode, 0, 0];
        byte[] info = new byte[fields.Length * sizeof(ulong)];
        for (int i = 0; i < fields.Length; i++)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(info.AsSpan(i * sizeof(ulong)), fields[i]);
        }

        return info;
    }
}
