namespace PsVm.Memory;

/// <summary>How the file is to be opened, and why; or why it cannot be.</summary>
/// <param name="Mode">ReadOnly or ReadWrite; null when <paramref name="Error"/> is set.</param>
/// <param name="Reason">Why, in one line a person can read.</param>
/// <param name="Error">The contradiction; null when there is none.</param>
public sealed record AccessModeResolution(FileAccessMode? Mode, string Reason, BackendError? Error);

/// <summary>Decides how the file behind a backend is opened. Pure: the same inputs explain themselves the same way.</summary>
/// <remarks>Source: memory-backends rules, section 2.</remarks>
public static class AccessModeResolver
{
    /// <summary>Resolves <see cref="MemoryBackendOptions.FileAccessMode"/> of a backend with a file.</summary>
    /// <param name="options">The options; Share, ReadOnly, FileAccessMode and MachineType decide.</param>
    /// <param name="isHugeTlb">The file is, or would be, on hugetlbfs.</param>
    /// <param name="denyPrivateDiscard">DenyPrivateDiscard is in force for this backend.</param>
    public static AccessModeResolution Resolve(MemoryBackendOptions options, bool isHugeTlb, bool denyPrivateDiscard)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (MachineTypes.Resolve(options.MachineType) is not { } machineType)
        {
            return Refused(MachineTypes.Unknown(options.MachineType));
        }

        return (options.Share, options.ReadOnly) switch
        {
            (true, false) => SharedWritable(options.FileAccessMode),
            (_, true) => Rom(options.FileAccessMode),
            (false, false) => PrivateWritable(options.FileAccessMode, isHugeTlb, machineType, denyPrivateDiscard),
        };
    }

    private static AccessModeResolution SharedWritable(FileAccessMode mode) => mode switch
    {
        FileAccessMode.ReadOnly => Refused(new(
            MemoryErrorIds.SharedWritableNeedsWritableFile,
            "Share with FileAccessMode ReadOnly: a shared writable mapping needs a writable file.",
            "Leave FileAccessMode at Auto, leave out Share for private memory, or add ReadOnly for read-only memory.")),
        FileAccessMode.ReadWrite => new(FileAccessMode.ReadWrite, "ReadWrite was asked for; shared writable memory stores into the file", null),
        _ => new(FileAccessMode.ReadWrite, "shared writable memory stores into the file", null),
    };

    private static AccessModeResolution Rom(FileAccessMode mode) => mode switch
    {
        FileAccessMode.ReadWrite => Refused(new(
            MemoryErrorIds.ReadOnlyMemoryNeedsNoWritableFile,
            "ReadOnly with FileAccessMode ReadWrite: read-only memory needs no writable file.",
            "Leave FileAccessMode at Auto, or leave out ReadOnly for memory that the guest may write.")),
        FileAccessMode.ReadOnly => new(FileAccessMode.ReadOnly, "ReadOnly was asked for; read-only memory never stores into the file", null),
        _ => new(FileAccessMode.ReadOnly, "read-only memory never stores into the file", null),
    };

    private static AccessModeResolution PrivateWritable(FileAccessMode mode, bool isHugeTlb, string machineType, bool deny) => mode switch
    {
        FileAccessMode.ReadOnly => new(FileAccessMode.ReadOnly, "ReadOnly was asked for; private memory keeps its stores to itself", null),
        FileAccessMode.ReadWrite when deny => Refused(new(
            MemoryErrorIds.PrivateReadWriteDenied,
            "FileAccessMode ReadWrite on private memory: DenyPrivateDiscard keeps the file of every private mapping ReadOnly.",
            "Leave FileAccessMode at Auto, use Share, or lift DenyPrivateDiscard.")),
        FileAccessMode.ReadWrite => new(FileAccessMode.ReadWrite, "ReadWrite was asked for", null),
        _ when deny => new(FileAccessMode.ReadOnly, "DenyPrivateDiscard keeps the file of every private mapping ReadOnly", null),
        _ when machineType == MachineTypes.Virt10 =>
            new(FileAccessMode.ReadWrite, "virt-1.0 opens the file of private writable memory ReadWrite", null),
        _ when isHugeTlb => new(FileAccessMode.ReadWrite, "private memory on hugetlbfs opens its file ReadWrite, so that pages can be given back", null),
        _ => new(FileAccessMode.ReadOnly, "private memory keeps its stores to itself, so the file stays ReadOnly", null),
    };

    private static AccessModeResolution Refused(BackendError error) => new(null, error.Message, error);
}
