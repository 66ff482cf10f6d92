namespace PsVm.Machine.Firmware;

/// <summary>What firmware does that a supervisor can count (chapter "Performance Monitoring Unit Extension", "Firmware events").</summary>
internal enum FirmwareEvent
{
    SetTimer = 5,
    IpiSent = 6,
    IpiReceived = 7,
    InstructionFenceSent = 8,
    InstructionFenceReceived = 9,
    AddressFenceSent = 10,
    AddressFenceReceived = 11,
    AddressSpaceFenceSent = 12,
    AddressSpaceFenceReceived = 13,
}

/// <summary>How often each of these happened on each hart since the guest was made. Safe from any thread.</summary>
internal sealed class FirmwareEvents(int harts)
{
    private const int Kinds = (int)FirmwareEvent.AddressSpaceFenceReceived + 1;

    private readonly ulong[] _counts = new ulong[harts * Kinds];

    /// <summary>Counts one.</summary>
    public void Count(int hart, FirmwareEvent happened) => Interlocked.Increment(ref _counts[(hart * Kinds) + (int)happened]);

    /// <summary>How often it happened.</summary>
    public ulong this[int hart, FirmwareEvent happened] => Volatile.Read(ref _counts[(hart * Kinds) + (int)happened]);
}
