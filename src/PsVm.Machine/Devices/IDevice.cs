using PsVm.Riscv;

namespace PsVm.Machine.Devices;

/// <summary>
/// A device of a board: its registers, its saved state when it is an <see cref="State.IStateful"/>, and how it comes to rest. What the
/// board knows of it beforehand, its node of the device tree among it, is its <see cref="DeviceKind"/>, in the same file. Safe from any
/// thread.
/// </summary>
/// <remarks>What holds something of the host's is <see cref="IDisposable"/>, too.</remarks>
internal interface IDevice
{
    /// <summary>Reads a register; see <see cref="IDeviceBus.TryRead"/>.</summary>
    /// <param name="offset">Bytes from the start of its registers; aligned to the size, and inside them.</param>
    /// <param name="size">1, 2, 4 or 8 bytes.</param>
    /// <param name="value">What is there.</param>
    bool TryRead(ulong offset, int size, out ulong value);

    /// <summary>Writes a register; see <see cref="IDeviceBus.TryWrite"/>.</summary>
    /// <param name="offset">Bytes from the start of its registers; aligned to the size, and inside them.</param>
    /// <param name="size">1, 2, 4 or 8 bytes.</param>
    /// <param name="value">What to write.</param>
    bool TryWrite(ulong offset, int size, ulong value);

    /// <summary>
    /// The guest is held, or has ended: nothing is begun, and no interrupt raised, until <see cref="Resume"/>. Twice is once.
    /// </summary>
    void Pause()
    {
    }

    /// <summary>Finishes what was begun before the pause, so that state and RAM belong together: they are about to be read.</summary>
    /// <param name="cancellation">Gives up; the device stays as it is.</param>
    void Drain(CancellationToken cancellation)
    {
    }

    /// <summary>The guest goes on.</summary>
    void Resume()
    {
    }
}
