using PsVm.Riscv;

namespace PsVm.Machine.Devices;

/// <summary>Finds the device at an address.</summary>
/// <remarks>Devices see aligned accesses inside their registers alone: others end here, as where no device is.</remarks>
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
                value = 0;
                return Fits(offset, size, _ranges[i].Size) && _devices[i].TryRead(offset, size, out value);
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
                return Fits(offset, size, _ranges[i].Size) && _devices[i].TryWrite(offset, size, value);
            }
        }

        return false;
    }

    public bool HasDevice(ulong address) => Array.Exists(_ranges, range => address - range.Start < range.Size);

    private static bool Fits(ulong offset, int size, ulong registers) =>
        size is 1 or 2 or 4 or 8 && (offset & ((uint)size - 1)) == 0 && registers - offset >= (uint)size;
}
