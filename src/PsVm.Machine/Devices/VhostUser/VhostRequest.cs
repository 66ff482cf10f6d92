namespace PsVm.Machine.Devices.VhostUser;

/// <summary>Requests of the front end, by their numbers. Source: QEMU, docs/interop/vhost-user.rst, "Front-end message types".</summary>
internal enum VhostRequest : uint
{
    GetFeatures = 1,
    SetFeatures = 2,
    SetOwner = 3,
    SetMemoryTable = 5,
    SetQueueSize = 8,
    SetQueueAddresses = 9,
    SetQueueBase = 10,
    GetQueueBase = 11,
    SetQueueKick = 12,
    SetQueueCall = 13,
    SetQueueError = 14,
    GetProtocolFeatures = 15,
    SetProtocolFeatures = 16,
    GetQueueCount = 17,
    SetQueueEnabled = 18,
    GetConfig = 24,
    GetInflight = 31,
    SetInflight = 32,
}

/// <summary>What of the protocol itself is agreed on, as bits. Source: as above, "Protocol features".</summary>
[Flags]
internal enum VhostProtocol : ulong
{
    None = 0,
    QueueCount = 1 << 0,
    Acknowledge = 1 << 3,
    Config = 1 << 9,
    Inflight = 1 << 12,
}

/// <summary>What the other end did wrong, or that it is gone: its connection is of no use any more.</summary>
/// <param name="message">What was expected and what was found, as a clause.</param>
/// <param name="cause">What happened; null: it said something wrong.</param>
internal sealed class VhostException(string message, Exception? cause = null) : Exception(message, cause);
