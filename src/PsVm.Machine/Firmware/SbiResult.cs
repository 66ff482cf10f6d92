namespace PsVm.Machine.Firmware;

/// <summary>How a call ended (SBI specification 3.0, chapter "Binary Encoding").</summary>
internal enum SbiError : long
{
    Success = 0,
    Failed = -1,
    NotSupported = -2,
    InvalidParameter = -3,
    Denied = -4,
    InvalidAddress = -5,
    AlreadyAvailable = -6,
    AlreadyStarted = -7,
    AlreadyStopped = -8,
    NoSharedMemory = -9,
    DeniedLocked = -14,
}

/// <summary>The answer to a call.</summary>
/// <param name="A0">What the caller finds in a0: an <see cref="SbiError"/>, but for the oldest calls.</param>
/// <param name="A1">What it finds in a1; null: what it had there.</param>
internal readonly record struct SbiResult(ulong A0, ulong? A1)
{
    /// <summary>None yet: a page that the call needs is not there. Nothing was done, and the caller calls again when it may be.</summary>
    public static SbiResult Later { get; } = new(0, null) { IsLater = true };

    /// <summary>It is <see cref="Later"/>.</summary>
    public bool IsLater { get; private init; }

    /// <summary>A failure; the value is 0.</summary>
    public static implicit operator SbiResult(SbiError error) => new((ulong)error, 0);

    /// <summary>Success.</summary>
    public static SbiResult Success(ulong value = 0) => new((ulong)SbiError.Success, value);
}
