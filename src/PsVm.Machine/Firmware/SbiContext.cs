using PsVm.Machine.Devices;
using PsVm.Riscv;
using PsVm.Riscv.Memory;

namespace PsVm.Machine.Firmware;

/// <summary>What the extensions of a guest's SBI reach.</summary>
/// <param name="Harts">The harts; they may be filled in later.</param>
/// <param name="Lines">The wires to them.</param>
/// <param name="Supervised">What their supervisor wants of them.</param>
/// <param name="Events">Counts of what the firmware does.</param>
/// <param name="Memory">RAM.</param>
/// <param name="Console">The console.</param>
/// <param name="Power">Called with what the guest asks of the board's power.</param>
internal sealed record SbiContext(
    IReadOnlyList<Hart> Harts,
    IHartLines Lines,
    SupervisedHarts Supervised,
    FirmwareEvents Events,
    PhysicalMemory Memory,
    GuestConsole Console,
    Action<PowerRequest, uint> Power)
{
    private const int MaskBits = 64;

    /// <summary>
    /// The harts, as bits, of the mask in a0 that starts at the hart in a1 (chapter "Binary Encoding", "Hart list parameter").
    /// </summary>
    /// <returns>False: it names a hart that there is not.</returns>
    public bool TrySelect(Hart caller, out ulong harts)
    {
        ulong all = ulong.MaxValue >> (MaskBits - Harts.Count);
        (ulong mask, ulong first) = (caller[10], caller[11]);
        if (first == ulong.MaxValue)
        {
            harts = all;
            return true;
        }

        harts = first < MaskBits ? mask << (int)first : 0;
        return first < (ulong)Harts.Count && harts >> (int)first == mask && (harts & ~all) == 0;
    }

    /// <summary>Whether a hart may begin at an address: an instruction can be there.</summary>
    public bool IsEntry(ulong address) => (address & 1) == 0 && Memory.IsRam(new GuestAddress(address));

    /// <summary>Asks for power to be changed; the caller's run ends.</summary>
    public void RequestPower(Hart caller, PowerRequest request, uint code)
    {
        Power(request, code);
        caller.RequestExit();
    }
}
