using PsVm.Machine.Board;
using PsVm.Riscv;

namespace PsVm.Machine.Devices;

/// <summary>A device's registers. Safe from any thread.</summary>
internal interface IDevice
{
    /// <summary>Reads a register; see <see cref="IDeviceBus.TryRead"/>.</summary>
    bool TryRead(ulong offset, int size, out ulong value);

    /// <summary>Writes a register; see <see cref="IDeviceBus.TryWrite"/>.</summary>
    bool TryWrite(ulong offset, int size, ulong value);
}

/// <summary>Finds the device at an address.</summary>
internal sealed class DeviceBus : IDeviceBus
{
    private readonly AddressRange[] _ranges;
    private readonly IDevice[] _devices;
    private long _accesses;

    /// <param name="devices">Devices with their places, the busiest first: the search goes in this order.</param>
    public DeviceBus(params ReadOnlySpan<(AddressRange Range, IDevice Device)> devices)
    {
        _ranges = new AddressRange[devices.Length];
        _devices = new IDevice[devices.Length];
        for (int i = 0; i < devices.Length; i++)
        {
            (_ranges[i], _devices[i]) = devices[i];
        }
    }

    /// <summary>Accesses that a device was there for.</summary>
    public long Accesses => Volatile.Read(ref _accesses);

    public bool TryRead(ulong address, int size, out ulong value)
    {
        for (int i = 0; i < _ranges.Length; i++)
        {
            ulong offset = address - _ranges[i].Start;
            if (offset < _ranges[i].Size)
            {
                Interlocked.Increment(ref _accesses);
                return _devices[i].TryRead(offset, size, out value);
            }
        }

        value = 0;
        return false;
    }

    public bool TryWrite(ulong address, int size, ulong value)
    {
        for (int i = 0; i < _ranges.Length; i++)
        {
            ulong offset = address - _ranges[i].Start;
            if (offset < _ranges[i].Size)
            {
                Interlocked.Increment(ref _accesses);
                return _devices[i].TryWrite(offset, size, value);
            }
        }

        return false;
    }

    public bool HasDevice(ulong address) => Array.Exists(_ranges, range => address - range.Start < range.Size);
}
