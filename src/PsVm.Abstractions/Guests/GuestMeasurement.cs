namespace PsVm;

/// <summary>What a guest costs and does. Data only, so that it can cross a process boundary. Sizes are bytes.</summary>
public sealed record GuestMeasurement
{
    /// <summary>Tells this guest from an earlier or later one of the same name.</summary>
    public Guid Id { get; init; }

    /// <summary>The guest's name.</summary>
    public required string Name { get; init; }

    /// <summary>Where it is in its life. A guest that has stopped holds no RAM.</summary>
    public GuestState State { get; init; }

    /// <summary>
    /// RAM in memory or swap that belongs to this guest's mappings alone: anonymous pages, private copies of file pages included, by the
    /// kernel's page tables.
    /// </summary>
    public long OwnBytes { get; init; }

    /// <inheritdoc cref="GuestInfo.OwnMemoryLimit"/>
    public long? OwnMemoryLimit { get; init; }

    /// <inheritdoc cref="GuestInfo.Balloon"/>
    /// <remarks>The guest was asked for its statistics, and had a tenth of a second to answer.</remarks>
    public GuestBalloon? Balloon { get; init; }

    /// <inheritdoc cref="GuestBalloon.Available"/>
    public long? Available => Balloon?.Available;

    /// <summary>Each backend's accounting by the kernel, in address order; empty unless it was asked for.</summary>
    public IReadOnlyList<MemoryUsage> Backends { get; init => field = ValueList.Of(value); } = ValueList.Of<MemoryUsage>([]);

    /// <summary>Host CPU time that its harts used, what scheduling them cost included.</summary>
    public TimeSpan CpuTime { get; init; }

    /// <summary>Instructions retired by all harts.</summary>
    public long Instructions { get; init; }

    /// <summary>
    /// Instructions a second, by the host's clock: since the last measurement of this guest, or since its start for the first.
    /// </summary>
    public double InstructionsPerSecond { get; init; }

    /// <summary>What interrupted the running of instructions, and how often.</summary>
    public GuestExits Exits { get; init; } = new();

    /// <summary>Translated code, of all guests of this host together: they share it.</summary>
    public TranslationUsage Translation { get; init; } = new();

    /// <summary>Time from the request to the first instruction.</summary>
    public TimeSpan StartLatency { get; init; }

    /// <summary>The parts of <see cref="StartLatency"/>.</summary>
    public StartTimes StartTimes { get; init; } = new();
}

/// <summary>What interrupted the running of a guest's instructions since its start: numbers of times, over all harts.</summary>
public sealed record GuestExits
{
    /// <summary>A hart used up its slice of time.</summary>
    public long Slice { get; init; }

    /// <summary>A hart executed WFI and had nothing to do.</summary>
    public long WaitForInterrupt { get; init; }

    /// <summary>A hart was asked to leave: to be held or stopped, or by its own call.</summary>
    public long Requested { get; init; }

    /// <summary>It had spent its budget, and waited for the next period (<see cref="GuestInfo.CpuLimit"/>).</summary>
    public long Throttled { get; init; }

    /// <summary>Calls of the built-in SBI; 0 with firmware.</summary>
    public long SbiCalls { get; init; }

    /// <summary>Loads and stores that went to a device.</summary>
    public long DeviceAccesses { get; init; }

    /// <summary>Instructions that failed in translated code: page faults, mostly.</summary>
    public long Faults { get; init; }

    /// <summary>System instructions for which translated code called the interpreter.</summary>
    public long SystemInstructions { get; init; }

    /// <summary>Jumps from translated code to code that has no translation.</summary>
    public long NotTranslated { get; init; }

    /// <summary>Jumps to addresses that a hart's jump table did not know.</summary>
    public long JumpTableMisses { get; init; }
}

/// <summary>Translated code of a host's guests. Sizes are bytes.</summary>
public sealed record TranslationUsage
{
    /// <summary>Host code. It is there once, however many guests run it.</summary>
    public long CodeBytes { get; init; }

    /// <summary>The most it can be; then the pages of guest code that were not used for the longest time lose theirs.</summary>
    public long CodeLimit { get; init; }

    /// <summary>Decoded instructions, and the pages they were decoded from.</summary>
    public long DecodedBytes { get; init; }

    /// <summary>Blocks that have a translation.</summary>
    public long Blocks { get; init; }

    /// <summary>Loops that are translated as one.</summary>
    public long Loops { get; init; }

    /// <summary>Translations that were asked for and are not made yet.</summary>
    public int Waiting { get; init; }

    /// <summary>Host time that translating took, beside the guests.</summary>
    public TimeSpan Time { get; init; }

    /// <summary>
    /// How often a guest's page of code was known already, from this guest or another, when it was first run, or before its guest ran.
    /// </summary>
    public long PagesShared { get; init; }

    /// <summary>
    /// Pages whose code was dropped: to make room, or since no clone needed it of what the guest left that their template was made of.
    /// </summary>
    public long PagesEvicted { get; init; }

    /// <summary>Which guests share it.</summary>
    public CodeSharing Sharing { get; init; }

    /// <summary>Translations that failed, whose code stays with the interpreter.</summary>
    public long Failures { get; init; }

    /// <summary>Why the last of them failed; null: none did.</summary>
    public string? LastFailure { get; init; }

    /// <summary>Why nothing is translated though the host could, such as memory that may not be executable; null: it is.</summary>
    public string? Unavailable { get; init; }
}

/// <summary>Where the time between the request for a guest and its first instruction went.</summary>
public sealed record StartTimes
{
    /// <summary>Checking what was asked; opening and recognising the files that it starts from.</summary>
    public TimeSpan Open { get; init; }

    /// <summary>Making or leasing its RAM, and mapping it.</summary>
    public TimeSpan Map { get; init; }

    /// <summary>Building the board and bringing it to where it begins: loading what boots, or restoring a template's state.</summary>
    public TimeSpan Restore { get; init; }

    /// <summary>From a guest that could run to its first instruction.</summary>
    public TimeSpan FirstInstruction { get; init; }
}
