namespace PsVm.Memory.Options;

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
        FileAccessMode.ReadWrite => ReadWrite("ReadWrite was asked for; shared writable memory stores into the file"),
        _ => ReadWrite("shared writable memory stores into the file"),
    };

    private static AccessModeResolution Rom(FileAccessMode mode) => mode switch
    {
        FileAccessMode.ReadWrite => Refused(new(
            MemoryErrorIds.ReadOnlyMemoryNeedsNoWritableFile,
            "ReadOnly with FileAccessMode ReadWrite: read-only memory needs no writable file.",
            "Leave FileAccessMode at Auto, or leave out ReadOnly for memory that the guest may write.")),
        FileAccessMode.ReadOnly => ReadOnly("ReadOnly was asked for; read-only memory never stores into the file"),
        _ => ReadOnly("read-only memory never stores into the file"),
    };

    private static AccessModeResolution PrivateWritable(FileAccessMode mode, bool isHugeTlb, string machineType, bool deny) => mode switch
    {
        FileAccessMode.ReadOnly => ReadOnly("ReadOnly was asked for; private memory keeps its stores to itself"),
        FileAccessMode.ReadWrite when deny => Refused(new(
            MemoryErrorIds.PrivateReadWriteDenied,
            "FileAccessMode ReadWrite on private memory: DenyPrivateDiscard keeps the file of every private mapping ReadOnly.",
            "Leave FileAccessMode at Auto, use Share, or lift DenyPrivateDiscard.")),
        FileAccessMode.ReadWrite => ReadWrite("ReadWrite was asked for"),
        _ when deny => ReadOnly("DenyPrivateDiscard keeps the file of every private mapping ReadOnly"),
        _ when machineType == MachineTypes.Virt10 => ReadWrite("virt-1.0 opens the file of private writable memory ReadWrite"),
        _ when isHugeTlb => ReadWrite("private memory on hugetlbfs opens its file ReadWrite, so that pages can be given back"),
        _ => ReadOnly("private memory keeps its stores to itself, so the file stays ReadOnly"),
    };

    private static AccessModeResolution ReadOnly(string reason) => new(FileAccessMode.ReadOnly, reason, null);

    private static AccessModeResolution ReadWrite(string reason) => new(FileAccessMode.ReadWrite, reason, null);

    private static AccessModeResolution Refused(BackendError error) => new(null, error.Message, error);
}
