using System.Diagnostics;
using System.Numerics;
using PsVm.Riscv;

namespace PsVm.Machine.Firmware;

/// <summary>
/// Fences on other harts (chapter "RFENCE Extension"). A guest without the hypervisor extension has no use for the other functions.
/// </summary>
internal sealed class FenceExtension(SbiContext context) : ISbiExtension
{
    private const ulong Instructions = 0, Addresses = 1, AddressSpace = 2;

    // A hart that runs leaves within a block, for which a millisecond of sleep would be far too long. One that waits for a page of its RAM
    // may stay for any time.
    private static readonly TimeSpan s_spinning = TimeSpan.FromMilliseconds(1);

    // Harts, as bits, that wait for others' fences.
    private ulong _fencing;

    public IReadOnlyList<ulong> Ids => [0x5246_4e43]; // "RFNC"

    public SbiResult Call(Hart hart, ulong id, ulong function)
    {
        if (function > AddressSpace)
        {
            return SbiError.NotSupported;
        }

        if (!context.TrySelect(hart, out ulong targets))
        {
            return SbiError.InvalidParameter;
        }

        (FirmwareEvent sent, FirmwareEvent received) = function switch
        {
            Instructions => (FirmwareEvent.InstructionFenceSent, FirmwareEvent.InstructionFenceReceived),
            Addresses => (FirmwareEvent.AddressFenceSent, FirmwareEvent.AddressFenceReceived),
            _ => (FirmwareEvent.AddressSpaceFenceSent, FirmwareEvent.AddressSpaceFenceReceived),
        };
        (ulong start, ulong size) = (hart[12], hart[13]);
        bool everywhere = start == 0 && size == 0; // as all bits set, which means that to harts, too
        int? asid = function == AddressSpace && hart[14] <= ushort.MaxValue ? (int)hart[14] : null;
        for (ulong left = targets; left != 0; left &= left - 1)
        {
            int target = BitOperations.TrailingZeroCount(left);
            context.Events.Count(hart.Id, sent);
            context.Events.Count(target, received);
            if (function == Instructions)
            {
                context.Harts[target].RequestInstructionFence();
            }
            else
            {
                context.Harts[target].RequestAddressFence(start, everywhere ? ulong.MaxValue : size, asid);
            }
        }

        WaitForFences(hart, targets & ~(1ul << hart.Id));
        return SbiResult.Success();
    }

    /// <summary>Returns when no target can use what it knew before the fence.</summary>
    /// <remarks>
    /// A target that itself waits here does its fences before its next instruction: two that fence each other must not lock up. One that
    /// is parked, stopped or held does them before its next instruction too, and is not waited for. The others leave their blocks at
    /// once, or after a call of their own, whose length is bounded; they are harts of this guest.
    /// </remarks>
    private void WaitForFences(Hart caller, ulong targets)
    {
        Interlocked.Or(ref _fencing, 1ul << caller.Id);
        for (; targets != 0; targets &= targets - 1)
        {
            int target = BitOperations.TrailingZeroCount(targets);
            SpinWait spin = default;
            long began = Stopwatch.GetTimestamp();
            while (context.Harts[target].IsFencePending && (Volatile.Read(ref _fencing) >> target & 1) == 0)
            {
                if (Stopwatch.GetElapsedTime(began) < s_spinning)
                {
                    spin.SpinOnce(sleep1Threshold: -1);
                }
                else
                {
                    Thread.Sleep(1);
                }
            }
        }

        Interlocked.And(ref _fencing, ~(1ul << caller.Id));
    }
}
