using FsCheck;
using FsCheck.Fluent;
using Mono.Unix.Native;
using PsVm.Memory.Tests.Support;

namespace PsVm.Memory.Tests;

/// <summary>For every input, what the report foretells is what creation then does.</summary>
[Collection(HostCollection.Name)]
public sealed class ReportProperties
{
    private const long Page = Make.Page;

    private static readonly string?[] Names =
    [
        null, "good", "read-only", "closed", "empty", "short", "missing", "folder", "fifo", "dangling", "link", "no/where", "good/below",
        "unwritable/new",
    ];

    private static readonly BackendKind?[] Kinds = [BackendKind.File, BackendKind.Memfd, BackendKind.Anonymous];

    private static Gen<MemoryBackendOptions> Options() =>
        from name in Gen.Elements(Names)
        from kind in Gen.Frequency((6, Gen.Constant<BackendKind?>(null)), (1, Gen.Elements(Kinds)))
        from size in Gen.Frequency((6, Gen.Constant(2 * Page)), (1, Gen.Elements(0, 1, Page, 8 * Page, 1L << 46, long.MaxValue)))
        from offset in Gen.Frequency((6, Gen.Constant(0L)), (1, Gen.Elements(1, Page, -Page, 3 * Page)))
        from align in Gen.Frequency((6, Gen.Constant(0L)), (1, Gen.Elements(1, Page, 1L << 30, 3 * Page)))
        from flags in Gen.Choose(0, 255)
        from mode in Gen.Elements(Enum.GetValues<FileAccessMode>())
        from policy in Gen.Elements(Enum.GetValues<DiscardPolicy>())
        from machine in Gen.Frequency((8, Gen.Elements("virt", "virt-1.0", "virt-1.1")), (1, Gen.Constant("pc")))
        from discard in Gen.Choose(0, 3)
        select new MemoryBackendOptions
        {
            Path = name,
            Kind = kind,
            Size = size,
            Offset = offset,
            Align = align,
            FileAccessMode = mode,
            DiscardPolicy = policy,
            MachineType = machine,
            DenyPrivateDiscard = (discard & 1) != 0,
            AllowPrivateDiscard = (discard & 2) != 0,
            Share = (flags & 1) != 0,
            ReadOnly = (flags & 6) == 6,

            // More than the host has is an error with what is available at the moment; that has a test of its own.
            Prealloc = (flags & 8) != 0 && size < 1L << 40,
            ForcePrealloc = (flags & 16) != 0,
            Reserve = (flags & 32) != 0,
            Merge = (flags & 64) != 0,
            AllowSharedWriters = (flags & 128) != 0,
        };

    [SkippableTheory]
    [InlineData(false)]
    [InlineData(true)]
    public void The_report_foretells_creation(bool asNobody)
    {
        void Check() => Prop.ForAll(Arb.From(Options()), AssertForetold).Check(Config.QuickThrowOnFailure.WithMaxTest(600));

        if (asNobody)
        {
            Host.AsNobody(Check);
        }
        else
        {
            Check();
        }
    }

    private static void AssertForetold(MemoryBackendOptions options)
    {
        using var folder = new TestFolder();
        Furnish(folder);
        options = options.Path is null ? options : options with { Path = folder.In(options.Path) };
        using var backends = Make.Backends();
        var report = backends.Test(options);
        try
        {
            var backend = backends.Create(options);
            Assert.Empty(report.Errors);
            Make.AssertSame(report, backend.Outcome);
        }
        catch (MemoryBackendException error)
        {
            Assert.False(report.IsValid, $"not foretold: {error.ErrorId}: {error.Message}");
            Assert.Equal((report.Errors[0].Id, report.Errors[0].Message), (error.ErrorId, error.Message));
        }
    }

    private static void Furnish(TestFolder folder)
    {
        const FilePermissions everybody = FilePermissions.ACCESSPERMS;
        folder.File("good", 4 * Page);
        folder.File("read-only", 4 * Page);
        folder.File("empty", 0);
        folder.File("short", Page);
        folder.File("closed", 4 * Page);
        Directory.CreateDirectory(folder.In("folder"));
        Directory.CreateDirectory(folder.In("unwritable"));
        _ = Syscall.mkfifo(folder.In("fifo"), everybody);
        File.CreateSymbolicLink(folder.In("dangling"), folder.In("nothing"));
        File.CreateSymbolicLink(folder.In("link"), "good");
        foreach (var open in new[] { "good", "empty", "short", "folder", "fifo" })
        {
            _ = Syscall.chmod(folder.In(open), everybody);
        }

        _ = Syscall.chmod(folder.In("closed"), 0);
    }
}
