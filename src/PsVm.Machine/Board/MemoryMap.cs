using PsVm.Machine.Devices;

namespace PsVm.Machine.Board;

/// <summary>Where things are on the board: the memory map of QEMU's riscv64 <c>virt</c> machine, so that its kernels run unmodified.</summary>
internal static class MemoryMap
{
    public const ulong RamStart = 0x8000_0000;

    /// <summary>Harts that a board may have: as many as a word of bits names.</summary>
    public const int MaxHarts = 64;

    /// <summary>Ticks per second of <c>mtime</c>.</summary>
    public const ulong TimebaseFrequency = 10_000_000;

    public const int UartInterrupt = 10;
    public const int RtcInterrupt = 11;
    public const int GenerationInterrupt = 12;

    public static readonly AddressRange SysCon = new(0x0010_0000, 0x1000);
    public static readonly AddressRange Rtc = new(0x0010_1000, 0x1000);
    public static readonly AddressRange Generation = new(0x0010_2000, 0x1000);
    public static readonly AddressRange Aclint = new(0x0200_0000, 0x1_0000);
    public static readonly AddressRange Plic = new(0x0c00_0000, 0x60_0000);
    public static readonly AddressRange Uart = new(0x1000_0000, 0x100);
}
