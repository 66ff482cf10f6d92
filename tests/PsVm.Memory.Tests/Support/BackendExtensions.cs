namespace PsVm.Memory.Tests.Support;

/// <summary>Loads and stores as a guest would.</summary>
internal static class BackendExtensions
{
    public static unsafe Span<byte> Bytes(this MemoryBackend backend, long offset, int length)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset + length, backend.Size);
        return new((byte*)backend.Address + offset, length);
    }

    /// <summary>The one value that a range holds; null when it holds several.</summary>
    public static byte? Value(this ReadOnlySpan<byte> bytes) => bytes.ContainsAnyExcept(bytes[0]) ? null : bytes[0];

    public static byte? Value(this Span<byte> bytes) => Value((ReadOnlySpan<byte>)bytes);
}

/// <summary>Managers that no environment variable reaches, and errors by id.</summary>
internal static class Make
{
    public const int Page = 4096;

    public static MemoryBackends Backends(bool deny = false) => new(_ => deny ? "1" : null);

    /// <summary>Creates and expects an error; the report must foretell the same one first.</summary>
    public static MemoryBackendException CreateFails(this MemoryBackends backends, string errorId, MemoryBackendOptions options)
    {
        var report = backends.Test(options);
        var error = Assert.Throws<MemoryBackendException>(() => backends.Create(options).Dispose());
        Assert.Equal(errorId, error.ErrorId);
        Assert.False(report.IsValid);
        Assert.Equal(error.ErrorId, report.Errors[0].Id);
        Assert.Equal(error.Message, report.Errors[0].Message);
        Assert.Equal(error.RecommendedAction, report.Errors[0].RecommendedAction);
        Assert.NotEmpty(error.Message);
        return error;
    }

    /// <summary>Creates what the report foretells.</summary>
    public static MemoryBackend CreateAsForetold(this MemoryBackends backends, MemoryBackendOptions options)
    {
        var report = backends.Test(options);
        Assert.Empty(report.Errors);
        var backend = backends.Create(options);
        AssertSame(report, backend.Outcome);
        return backend;
    }

    public static void AssertSame(BackendReport report, MappingOutcome outcome)
    {
        Assert.Equal(report.Path, outcome.Path);
        Assert.Equal(report.Kind, outcome.Kind);
        Assert.Equal(report.Size, outcome.Size);
        Assert.Equal(report.Offset, outcome.Offset);
        Assert.Equal(report.Share, outcome.Share);
        Assert.Equal(report.ReadOnly, outcome.ReadOnly);
        Assert.Equal(report.RequestedMode, outcome.RequestedMode);
        Assert.Equal(report.EffectiveMode, outcome.EffectiveMode);
        Assert.Equal(report.Reason, outcome.Reason);
        Assert.Equal(report.MachineType, outcome.MachineType);
        Assert.Equal(report.FileSystem, outcome.FileSystem);
        Assert.Equal(report.PageSize, outcome.PageSize);
        Assert.Equal(report.HugeTlb, outcome.HugeTlb);
        Assert.Equal(report.WouldCreate, outcome.Created);
        Assert.Equal(report.WouldFallBack, outcome.FellBack);
        Assert.Equal(report.OpenFlags, outcome.OpenFlags);
        Assert.Equal(report.Protection, outcome.Protection);
        Assert.Equal(report.MapFlags, outcome.MapFlags);
        Assert.Equal(report.RequestedDiscardPolicy, outcome.RequestedDiscardPolicy);
        Assert.Equal(report.EffectiveDiscardPolicy, outcome.EffectiveDiscardPolicy);
        Assert.Equal(report.Prealloc, outcome.Prealloc);
        Assert.Equal(report.Warnings, outcome.Warnings);
    }
}
