using PsVm.Machine.Devices;

namespace PsVm.Machine.Tests.Support;

/// <summary>Register accesses that must succeed.</summary>
internal static class DeviceExtensions
{
    public static ulong Read(this IDevice device, ulong offset, int size = 4)
    {
        Assert.True(device.TryRead(offset, size, out ulong value), $"no register to read at 0x{offset:x}");
        return value;
    }

    public static void Write(this IDevice device, ulong offset, ulong value, int size = 4) =>
        Assert.True(device.TryWrite(offset, size, value), $"no register to write at 0x{offset:x}");
}
