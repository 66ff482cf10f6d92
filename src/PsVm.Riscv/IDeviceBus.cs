namespace PsVm.Riscv;

/// <summary>Physical addresses that are not RAM. Called on the hart's thread; several harts may call at once.</summary>
public interface IDeviceBus
{
    /// <summary>Reads a device register.</summary>
    /// <param name="address">Physical address.</param>
    /// <param name="size">1, 2, 4 or 8 bytes; the access is naturally aligned.</param>
    /// <param name="value">The value, zero-extended.</param>
    /// <returns>False: nothing there, which the guest sees as an access fault.</returns>
    bool TryRead(ulong address, int size, out ulong value);

    /// <summary>Writes a device register.</summary>
    /// <param name="address">Physical address.</param>
    /// <param name="size">1, 2, 4 or 8 bytes; the access is naturally aligned.</param>
    /// <param name="value">The value; bits above the size are to be ignored.</param>
    /// <returns>False: nothing there, which the guest sees as an access fault.</returns>
    bool TryWrite(ulong address, int size, ulong value);

    /// <summary>Whether there is a device at an address, be it that it answers no access of some kind there.</summary>
    /// <param name="address">Physical address.</param>
    bool HasDevice(ulong address) => false;
}
