using PsVm.Memory.Discarding;
using PsVm.Memory.Tests.Support;

namespace PsVm.Memory.Tests.Options;

/// <summary>Options that are wrong whatever the host looks like.</summary>
public sealed class OptionErrorTests
{
    private const long Page = Make.Page;

    private static readonly MemoryBackendOptions Good = new() { Size = 4 * Page };

    private static readonly MemoryBackendOptions SharedMemfd = Good with { Kind = BackendKind.Memfd, Share = true };

    private static readonly MemoryBackendOptions Rom = Good with { ReadOnly = true };

    public static TheoryData<string, MemoryBackendOptions> Contradictions() => new()
    {
        { MemoryErrorIds.InvalidId, Good with { Id = " " } },
        { MemoryErrorIds.ReservedId, Good with { Id = "ram.default" } },
        { MemoryErrorIds.PathRequired, Good with { Kind = BackendKind.File } },
        { MemoryErrorIds.PathRequired, Good with { Kind = BackendKind.File, Path = "" } },
        { MemoryErrorIds.PathRequired, Good with { Path = "" } },
        { MemoryErrorIds.PathNotAllowed, Good with { Kind = BackendKind.Memfd, Path = "/tmp/x" } },
        { MemoryErrorIds.PathNotAllowed, Good with { Kind = BackendKind.Anonymous, Path = "/tmp/x" } },
        { MemoryErrorIds.OffsetNeedsFile, Good with { Kind = BackendKind.Memfd, Offset = Page } },
        { MemoryErrorIds.ReadOnlyNeedsFile, Good with { Kind = BackendKind.Memfd, ReadOnly = true } },
        { MemoryErrorIds.FileAccessModeNeedsFile, Good with { FileAccessMode = FileAccessMode.ReadOnly } },
        { MemoryErrorIds.FileAccessModeNeedsFile, Good with { Kind = BackendKind.Memfd, FileAccessMode = FileAccessMode.ReadWrite } },
        { MemoryErrorIds.UnknownMachineType, Good with { MachineType = "virt-2.0" } },
        { MemoryErrorIds.PrivateDiscardConflict, Good with { DenyPrivateDiscard = true, AllowPrivateDiscard = true } },
        { MemoryErrorIds.InvalidPreallocThreads, Good with { PreallocThreads = -1 } },
        { MemoryErrorIds.InvalidHostNodes, Good with { NumaPolicy = NumaPolicy.Bind } },
        { MemoryErrorIds.InvalidHostNodes, Good with { HostNodes = [0] } },
        { MemoryErrorIds.InvalidHostNodes, Good with { HostNodes = [-1], NumaPolicy = NumaPolicy.Interleave } },
        { MemoryErrorIds.InvalidHostNodes, Good with { HostNodes = [0, 1], NumaPolicy = NumaPolicy.Preferred } },
        { MemoryErrorIds.HostNodeNotOnline, Good with { HostNodes = [1023], NumaPolicy = NumaPolicy.Bind } },
        { MemoryErrorIds.InvalidSize, Good with { Size = 0 } },
        { MemoryErrorIds.InvalidSize, Good with { Size = -Page } },
        { MemoryErrorIds.SizeMisaligned, Good with { Size = Page + 1 } },
        { MemoryErrorIds.SizeTooLarge, Good with { Size = 1L << 47 } },
        { MemoryErrorIds.SizeTooLarge, Good with { Size = long.MaxValue - Page + 1 } },
        { MemoryErrorIds.SizeTooLarge, Good with { Align = 1L << 47 } },
        { MemoryErrorIds.AlignMisaligned, Good with { Align = Page / 2 } },
        { MemoryErrorIds.AlignMisaligned, Good with { Align = 3 * Page } },
        { MemoryErrorIds.AlignMisaligned, Good with { Align = -Page } },
        { MemoryErrorIds.RestoreTemplateNeedsFile, Good with { DiscardPolicy = DiscardPolicy.RestoreTemplate } },
        { MemoryErrorIds.DiscardPolicyNeedsPrivateMapping, SharedMemfd with { DiscardPolicy = DiscardPolicy.ZeroOverlay } },
        { MemoryErrorIds.DiscardPolicyNeedsPrivateMapping, SharedMemfd with { DiscardPolicy = DiscardPolicy.RestoreTemplate } },
    };

    [Theory]
    [MemberData(nameof(Contradictions))]
    public void Are_refused_before_anything_is_done(string errorId, MemoryBackendOptions options)
    {
        using var backends = Make.Backends();
        backends.CreateFails(errorId, options);
        Assert.Empty(backends.List());
    }

    public static TheoryData<string, MemoryBackendOptions, bool> FileContradictions() => new()
    {
        { MemoryErrorIds.SharedWritableNeedsWritableFile, Good with { Share = true, FileAccessMode = FileAccessMode.ReadOnly }, false },
        { MemoryErrorIds.ReadOnlyMemoryNeedsNoWritableFile, Rom with { FileAccessMode = FileAccessMode.ReadWrite }, false },
        { MemoryErrorIds.PrivateReadWriteDenied, Good with { FileAccessMode = FileAccessMode.ReadWrite }, true },
        { MemoryErrorIds.OffsetMisaligned, Good with { Offset = 1 }, false },
        { MemoryErrorIds.OffsetMisaligned, Good with { Offset = -Page }, false },
        { MemoryErrorIds.SizeTooLarge, Good with { Offset = long.MaxValue - Page + 1 }, false },
        { MemoryErrorIds.DiscardPolicyNeedsPrivateMapping, Good with { Share = true, DiscardPolicy = DiscardPolicy.ZeroOverlay }, false },
        { MemoryErrorIds.PunchHoleNeedsWritableFile, Good with { DiscardPolicy = DiscardPolicy.PunchHole }, false },
        { MemoryErrorIds.PunchHoleNeedsWritableFile, Good with { DiscardPolicy = DiscardPolicy.PunchHole }, true },
        { MemoryErrorIds.PunchHoleNeedsWritableFile, Rom with { Share = true, DiscardPolicy = DiscardPolicy.PunchHole }, false },
        { MemoryErrorIds.PreallocCopiesFile, Good with { Prealloc = true, FileAccessMode = FileAccessMode.ReadOnly }, false },
        { MemoryErrorIds.PreallocCopiesFile, Good with { Prealloc = true, FileAccessMode = FileAccessMode.ReadWrite }, false },
    };

    [Theory]
    [MemberData(nameof(FileContradictions))]
    public void Of_a_file_are_refused_before_it_is_opened(string errorId, MemoryBackendOptions options, bool deny)
    {
        using var folder = new TestFolder();
        using var backends = Make.Backends(deny);
        backends.CreateFails(errorId, options with { Path = folder.File("ram", 8 * Page) });
    }

    [Fact]
    public void Size_offset_and_alignment_each_have_an_error_in_that_order()
    {
        using var folder = new TestFolder();
        using var backends = Make.Backends();
        var report = backends.Test(new() { Path = folder.File("ram", 8 * Page), Size = 5, Offset = 6, Align = 7 });
        Assert.Equal(
            [MemoryErrorIds.SizeMisaligned, MemoryErrorIds.OffsetMisaligned, MemoryErrorIds.AlignMisaligned],
            report.Errors.Select(e => e.Id));
        Assert.Equal("Sizes are in bytes: write 5MB for 5 MiB.", report.Errors[0].RecommendedAction);
        Assert.Equal("Use 8 KiB.", backends.Test(new() { Size = Page + 1 }).Errors[0].RecommendedAction);
        Assert.All(report.Errors, e => Assert.Contains("4 KiB", e.Message, StringComparison.Ordinal));
    }

    [Fact]
    public void Elsewhere_than_on_Linux_there_is_one_clear_error_and_pure_checks_still_work()
    {
        using var backends = new MemoryBackends(_ => null, new MappingBudget(10), isLinux: false);
        Assert.Equal(MemoryErrorIds.RequiresLinux, Assert.Throws<MemoryBackendException>(() => backends.Create(Good)).ErrorId);
        var report = backends.Test(Good with { MachineType = "other" });
        Assert.Equal([MemoryErrorIds.RequiresLinux, MemoryErrorIds.UnknownMachineType], report.Errors.Select(e => e.Id));
    }
}
