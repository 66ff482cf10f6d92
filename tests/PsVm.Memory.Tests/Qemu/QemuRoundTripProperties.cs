using System.Text.Json;
using FsCheck;
using FsCheck.Fluent;
using PsVm.Memory.Tests.Support;

namespace PsVm.Memory.Tests.Qemu;

/// <summary>What is written in QEMU's words is read back as it was meant, or was refused by name.</summary>
public sealed class QemuRoundTripProperties
{
    private static readonly Version s_version = new(10, 0);

    private static Gen<MemoryBackendOptions> Options() =>
        from kind in Gen.Elements(Enum.GetValues<BackendKind>())
        from name in Gen.Elements("ram.img", "a,b", ",", "it's", "a b", "\"q\"", "x=y", "$HOME`", "\\", "größe", "-object", "a\nb", "{}")
        from id in Gen.Elements("m", "ram.default", "A-1_b.c")
        from pages in Gen.Choose(1, 1 << 20)
        from offset in Gen.Choose(0, 3)
        from align in Gen.Elements(0, Make.Page, 2L << 20)
        from flags in Gen.Choose(0, 255)
        from mode in Gen.Elements(Enum.GetValues<FileAccessMode>())
        from policy in Gen.Frequency((4, Gen.Constant(DiscardPolicy.Auto)), (1, Gen.Elements(Enum.GetValues<DiscardPolicy>())))
        from machine in Gen.Elements("virt", "virt-1.0")
        from threads in Gen.Choose(0, 9)
        from numa in Gen.Elements(Enum.GetValues<NumaPolicy>())
        from node in Gen.Choose(0, 63)
        select new MemoryBackendOptions
        {
            Id = id,
            Kind = kind,
            Path = kind == BackendKind.File ? $"/none, such/{name}" : null,
            Size = pages * (long)Make.Page,
            Offset = kind == BackendKind.File ? offset * Make.Page : 0,
            Align = align,
            Share = (flags & 1) != 0,
            ReadOnly = kind == BackendKind.File && (flags & 2) != 0,
            FileAccessMode = kind == BackendKind.File ? mode : FileAccessMode.Auto,
            Prealloc = (flags & 12) == 12,
            ForcePrealloc = (flags & 16) != 0,
            Reserve = (flags & 32) != 0,
            Merge = (flags & 64) != 0,
            Dump = (flags & 128) != 0,
            DiscardPolicy = policy,
            MachineType = machine,
            PreallocThreads = threads,
            NumaPolicy = numa,
            HostNodes = numa switch { NumaPolicy.Default => [], NumaPolicy.Preferred => [node], _ => [node, node + 1] },
        };

    [Fact]
    public void What_is_written_is_read_back()
    {
        using MemoryBackends backends = Make.Backends();
        int written = 0;
        Prop.ForAll(Arb.From(Options()), options =>
        {
            BackendReport report = backends.Test(options);
            QemuArgument argument;
            try
            {
                argument = QemuBackend.ToArgument(options, report, s_version);
            }
            catch (MemoryBackendException refusal)
            {
                // A contradiction, or an option named that was given.
                Assert.True(
                    refusal.ErrorId != MemoryErrorIds.QemuCannotExpress
                        ? report.Errors.Any(error => error.Id == refusal.ErrorId)
                        : refusal.Message.StartsWith($"DiscardPolicy {options.DiscardPolicy}", StringComparison.Ordinal)
                            ? options.DiscardPolicy != DiscardPolicy.Auto
                            : refusal.Message.StartsWith("Prealloc", StringComparison.Ordinal) ? options.Prealloc
                            : options.Align != 0 && refusal.Message.StartsWith("Align", StringComparison.Ordinal),
                    refusal.Message);
                return;
            }

            written++;
            string expected = JsonSerializer.Serialize(Canonical(options, report));
            Assert.Equal(expected, JsonSerializer.Serialize(QemuBackendReader.Read(argument.Arguments[1])));
            QemuBackendTexts found = QemuBackendReader.Find([argument.ToString()]);
            Assert.Equal(expected, JsonSerializer.Serialize(QemuBackendReader.Read(Assert.Single(found.Texts), found.Merge, found.Dump)));
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(500));
        Assert.True(written > 100, $"only {written} were written");
    }

    [Fact]
    public void A_line_for_a_shell_is_taken_apart_into_the_arguments_it_was_made_of() => Prop.ForAll(
        Arb.From(Gen.ListOf(Gen.Elements("", "a", "a b", "it's", "\"", "\\", "$x", "a\nb", "'", "*", "ü", "a=b,c"))),
        arguments => Assert.Equal(arguments, QemuCommandLine.Split(QemuCommandLine.Join(arguments)))).QuickCheckThrowOnFailure();

    /// <summary>The same with everything decided that QEMU wants to know, and without what it has no word for.</summary>
    private static MemoryBackendOptions Canonical(MemoryBackendOptions options, BackendReport report) => options with
    {
        FileAccessMode = options.Kind == BackendKind.File ? report.EffectiveMode!.Value : FileAccessMode.Auto,
        Align = options.Kind == BackendKind.File ? options.Align : 0,
        ForcePrealloc = options.Prealloc && !options.Share && options.Kind != BackendKind.Anonymous,
        DiscardPolicy = DiscardPolicy.Auto,
        MachineType = "virt",
    };
}
