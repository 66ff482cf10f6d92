using System.Text;
using PsVm.Machine.Board;
using PsVm.Machine.Boot;
using PsVm.Machine.Tests.Support;
using PsVm.Riscv.Memory;
using PsVm.Riscv.Tests;

namespace PsVm.Fuzz.Targets;

/// <summary>
/// Kernels, firmware and initial RAM disks that are not what they seem, with command lines of anything, on RAM of several blocks: they
/// are refused as documented, or what begins to run lies in RAM and finds a device tree that says what was asked for.
/// </summary>
internal sealed class BootTarget : FuzzTarget
{
    private const ulong Page = 4096, Megabyte = 1 << 20;

    private static readonly byte[][] s_kernels =
    [
        BootFile.Image([Asm.Nop, Asm.Jal(0, 0)]),
        BootFile.Elf(
            BootFile.KernelStart, [new(BootFile.KernelStart, new byte[256], 8192), new(BootFile.KernelStart + 0x4000, new byte[64])]),
        BootFile.Elf(0x1000, [new(0x1000, new byte[128], 4096)], type: 3),
    ];

    private readonly GuardedRam[] _rams =
    [
        new([(4 * Megabyte, false)]),
        new([(3 * Megabyte, false), (4 * Page, true), (Megabyte, false)]),
        new([(2 * Megabyte, false), (Page, true)]),
        new([(Page, true), (4 * Megabyte, false)]),
        new([(3 * Page, false)]),
    ];

    public override void Run(Dice dice)
    {
        GuardedRam ram = dice.OneIn(2) ? _rams[0] : _rams[dice.Next(_rams.Length)];
        byte[]? kernel = dice.OneIn(8) ? null : File(dice), firmware = kernel is null || dice.OneIn(4) ? File(dice) : null;
        byte[]? initrd = dice.OneIn(4) ? new byte[dice.OneIn(4) ? dice.Next(5 << 20) : dice.Next(10_000)] : null;
        string commandLine = CommandLine(dice);
        int harts = dice.Next(1, 65);
        MachineType machine = MachineType.All[dice.Next(MachineType.All.Count)];
        BootEntry entry = default!;
        if (Try(() => entry = Load(ram.Memory, kernel, firmware, initrd, machine, harts, commandLine)) is not null)
        {
            return;
        }

        WrongException.ThrowIfNot(
            ram.Memory.Physical.IsRam(new GuestAddress(entry.Entry)) || firmware is not null, $"the entry 0x{entry.Entry:x} is not in RAM");
        byte[] header = new byte[8];
        WrongException.ThrowIfNot(
            ram.Memory.Physical.Read(new GuestAddress(entry.DeviceTree), header).IsDone, $"no device tree at 0x{entry.DeviceTree:x}");
        byte[] blob = new byte[header[4] << 24 | header[5] << 16 | header[6] << 8 | header[7]];
        WrongException.ThrowIfNot(
            ram.Memory.Physical.Read(new GuestAddress(entry.DeviceTree), blob).IsDone, $"a device tree of {blob.Length} bytes");
        string found = Encoding.UTF8.GetString(new DeviceTree(blob).Bytes("/chosen/bootargs"));
        string expected = Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(commandLine)) + '\0';
        WrongException.ThrowIfNot(found == expected && found.IndexOf('\0') == found.Length - 1, $"the command line '{found}' ends early");
    }

    public override void Dispose() => Array.ForEach(_rams, ram => ram.Dispose());

    private static BootEntry Load(
        GuestMemory memory, byte[]? kernel, byte[]? firmware, byte[]? initrd, MachineType machine, int harts, string commandLine)
    {
        using BootFiles files = new(
            Open(kernel),
            Open(firmware),
            Open(initrd),
            new GuestOptions { Kernel = "kernel", Firmware = "firmware", Initrd = "initrd", CommandLine = commandLine });
        return BootLoader.Load(memory, files, machine, harts, commandLine, _ => { });

        static MemoryStream? Open(byte[]? file) => file is null ? null : new MemoryStream(file);
    }

    private static byte[] File(Dice dice)
    {
        byte[] file = dice.Pick<byte[]>(s_kernels);
        if (dice.OneIn(8))
        {
            return file;
        }

        file = Odd.Mutate(dice, file);
        for (int changes = dice.Next(3); changes > 0; changes--)
        {
            // Addresses and sizes near those of RAM, in headers.
            int at = dice.Next(24) * 8;
            if (at + 8 <= file.Length)
            {
                ulong value = Odd.Near(dice, MemoryMap.RamStart, BootFile.KernelStart, Megabyte, (ulong)file.Length);
                BitConverter.TryWriteBytes(file.AsSpan(at), value);
            }
        }

        return file;
    }

    private static string CommandLine(Dice dice)
    {
        StringBuilder text = new("console=ttyS0 ");
        for (int length = dice.OneIn(32) ? dice.Next(200_000) : dice.Next(40); length > 0; length--)
        {
            text.Append(dice.OneIn(8) ? (char)dice.Next(1 << 16) : (char)dice.Next(dice.OneIn(16) ? 0 : 32, 127));
        }

        return text.ToString();
    }
}
