using PsVm.Machine.State;
using PsVm.Riscv;

namespace PsVm.Machine.Devices;

/// <summary>The core-local interruptor: software interrupts and timers of machine mode, laid out as SiFive's CLINT.</summary>
/// <remarks>
/// <c>mtime</c> is the guest's clock and ignores writes. Source: RISC-V ACLINT specification 1.0, chapters 2 and 3.
/// </remarks>
internal sealed class Aclint(int harts, IHartLines lines, IGuestClock clock) : IDevice, IStateful
{
    private const ulong TimerCompareStart = 0x4000;
    private const ulong Time = 0xbff8;

    private const uint SoftwareInterrupt = 3;
    private const uint TimerInterrupt = 7;

    private readonly Lock _gate = new();
    private readonly bool[] _software = new bool[harts];

    /// <summary>What boards know of it.</summary>
    public static DeviceKind Kind { get; } = new()
    {
        Node = "clint",
        Compatible = ["sifive,clint0", "riscv,clint0"],
        Size = 0x1_0000,
        Create = wires => new Aclint(wires.Harts, wires.Lines, wires.Clock),
        Describe = (tree, node) => tree.Property("interrupts-extended", node.OfEachHart(SoftwareInterrupt, TimerInterrupt)),
    };

    public bool TryRead(ulong offset, int size, out ulong value)
    {
        value = 0;
        if (size is not (4 or 8))
        {
            return false;
        }

        lock (_gate)
        {
            if (TryFindSoftware(offset, size, out int hart))
            {
                value = _software[hart] ? 1u : 0;
            }
            else if (TryFindTimer(offset, out hart))
            {
                value = Part(lines.GetTimer(hart), offset, size);
            }
            else if ((offset & ~7ul) == Time)
            {
                value = Part(clock.Now, offset, size);
            }
        }

        return true;
    }

    public bool TryWrite(ulong offset, int size, ulong value)
    {
        if (size is not (4 or 8))
        {
            return false;
        }

        lock (_gate)
        {
            if (TryFindSoftware(offset, size, out int hart))
            {
                _software[hart] = (value & 1) != 0;
                lines.SetInterrupt(hart, InterruptLines.MachineSoftware, _software[hart]);
            }
            else if (TryFindTimer(offset, out hart))
            {
                lines.SetTimer(hart, size == 8 ? value : WithHalf(lines.GetTimer(hart), offset, (uint)value));
            }
        }

        return true;
    }

    public void Transfer(StateStream state)
    {
        lock (_gate)
        {
            state.Transfer(_software.AsSpan());
            for (int hart = 0; hart < _software.Length; hart++)
            {
                ulong compare = lines.GetTimer(hart);
                state.Transfer(ref compare);
                if (state.IsReading)
                {
                    lines.SetTimer(hart, compare);
                    lines.SetInterrupt(hart, InterruptLines.MachineSoftware, _software[hart]);
                }
            }
        }
    }

    private bool TryFindSoftware(ulong offset, int size, out int hart)
    {
        hart = (int)(offset / 4);
        return size == 4 && offset < (ulong)_software.Length * 4;
    }

    private bool TryFindTimer(ulong offset, out int hart)
    {
        hart = (int)((offset - TimerCompareStart) / 8);
        return offset >= TimerCompareStart && offset < TimerCompareStart + ((ulong)_software.Length * 8);
    }

    private static ulong Part(ulong whole, ulong offset, int size) =>
        size == 8 ? whole : (uint)(whole >> (int)(offset % 8 * 8));

    private static ulong WithHalf(ulong whole, ulong offset, uint half) =>
        offset % 8 == 0 ? (whole & 0xffff_ffff_0000_0000) | half : (whole & 0xffff_ffff) | ((ulong)half << 32);
}
