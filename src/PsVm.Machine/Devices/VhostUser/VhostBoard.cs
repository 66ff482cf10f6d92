using PsVm.Machine.Devices.Virtio;
using PsVm.Riscv.Memory;

namespace PsVm.Machine.Devices.VhostUser;

/// <summary>A board that has a device of a daemon's.</summary>
/// <param name="Port">The slot.</param>
/// <param name="Memory">The guest's RAM.</param>
/// <param name="Regions">That, as the daemon gets it.</param>
internal sealed record VhostBoard(VirtioPort Port, PhysicalMemory Memory, IReadOnlyList<VhostRegion> Regions) : IDisposable
{
    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (VhostRegion region in Regions)
        {
            region.File.Dispose();
        }
    }
}
