namespace PsVm.Riscv.Memory;

/// <summary>What is done with guest RAM.</summary>
public enum RamUse
{
    /// <summary>Its bytes are read; every block allows it.</summary>
    Read,

    /// <summary>Its bytes are written; read-only blocks refuse it.</summary>
    Write,
}

/// <summary>How an access to guest RAM ended.</summary>
public enum RamStatus
{
    /// <summary>All of it was done.</summary>
    Done,

    /// <summary>There is no RAM at the next address: a device, a hole, or the end.</summary>
    NoRam,

    /// <summary>The next address is in a read-only block.</summary>
    ReadOnly,

    /// <summary>The range goes beyond the last address there is; nothing was done.</summary>
    Overflow,

    /// <summary>The host could not give the page at the next address, or what was asked to fill it ended or failed there.</summary>
    Incomplete,
}

/// <summary>How an access to guest RAM ended, and how far it came.</summary>
/// <param name="Status">How it ended.</param>
/// <param name="Bytes">Bytes that were done, from the first address on.</param>
public readonly record struct RamOutcome(RamStatus Status, ulong Bytes)
{
    /// <summary>All of it was done.</summary>
    public bool IsDone => Status == RamStatus.Done;
}
