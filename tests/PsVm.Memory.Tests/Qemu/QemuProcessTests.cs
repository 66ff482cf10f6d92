using System.Globalization;
using System.Text.Json;
using PsVm.Memory.Tests.Support;

namespace PsVm.Memory.Tests.Qemu;

/// <summary>The real QEMU and this process do the same with the same options.</summary>
[Collection(HostCollection.Name)]
public sealed class QemuProcessTests
{
    private static readonly Version s_version = QemuProcess.Version ?? new Version(10, 0);

    [SkippableFact]
    public void QEMU_opens_and_maps_a_file_as_PsVm_does_or_refuses_where_it_does()
    {
        QemuProcess.Needs("8.2");
        using TestFolder folder = new();
        string path = folder.File("ram, of=test", Make.Page);
        Assert.All(QemuRow.All.Where(row => !row.HugeTlb), row => Compare(row, path, Make.Page));
    }

    [SkippableFact]
    public void And_so_it_does_on_hugetlbfs()
    {
        QemuProcess.Needs("8.2");
        using TestFolder folder = new();
        using HugePages pages = new(4);
        using Mounted mount = Host.Mount(folder, "hugetlbfs", "pagesize=2M");
        string path = mount.In("ram");
        using (MemoryBackends backends = Make.Backends())
        {
            backends.Create(new() { Path = path, Size = HugePages.Size, Share = true }).Dispose();
        }

        Assert.All(QemuRow.All.Where(row => row.HugeTlb), row => Compare(row, path, HugePages.Size));
    }

    [SkippableTheory]
    [InlineData(BackendKind.File, true)]
    [InlineData(BackendKind.File, false)]
    [InlineData(BackendKind.Memfd, true)]
    [InlineData(BackendKind.Memfd, false)]
    [InlineData(BackendKind.Anonymous, true)]
    [InlineData(BackendKind.Anonymous, false)]
    public void A_machine_takes_the_RAM_of_a_guest(BackendKind kind, bool share)
    {
        QemuProcess.Needs("8.2");
        using TestFolder folder = new();
        using MemoryBackends backends = Make.Backends();
        const long size = 16 << 20;
        MemoryBackendOptions options = new() { Id = "ram.default", Kind = kind, Size = size, Share = share };
        options = kind == BackendKind.File ? options with { Path = folder.File("ram", size) } : options;
        QemuArgument ram = QemuBackend.ToArgument(options, backends.Test(options), s_version);
        GuestInfo guest = new()
        {
            Name = "g", MachineType = "virt-1.1", Boot = "k", Harts = 2, Memory = size,
            Kernel = folder.File("kernel, image", Make.Page), CommandLine = "a=1, 'b'",
        };
        QemuArgument argument = QemuGuest.ToArgument(guest, [ram], s_version);
        Assert.Equal(["-machine", "virt,memory-backend=ram.default", "-m", "16M", "-smp", "2"], argument.Arguments.Skip(2).Take(6));
        (QemuProcess? running, string? refusal) = QemuProcess.Start([.. argument.Arguments, "-bios", "none"], "virt");
        Assert.Null(refusal);
        using (running)
        {
            Assert.Equal(size, running!.Backends()["ram.default"].GetProperty("size").GetInt64());
        }
    }

    /// <summary>Why ConvertTo-QemuArgument refuses these.</summary>
    [SkippableTheory]
    [InlineData("virt,memory-backend=m", "readonly=on,rom=on")]
    [InlineData("none", "readonly=on,rom=on,prealloc=on")]
    [InlineData("none", "prealloc=on,reserve=off")]
    public void QEMU_ends_on_what_is_refused_here(string machine, string properties)
    {
        QemuProcess.Needs("8.2");
        using TestFolder folder = new();
        const long size = 16 << 20;
        string argument = $"memory-backend-file,id=m,size={size},mem-path={folder.File("ram", size)},{properties}";
        (QemuProcess? running, string? refusal) = QemuProcess.Start(["-object", argument, "-m", "16M", "-bios", "none"], machine);
        using (running)
        {
            Assert.NotNull(refusal);
        }
    }

    [SkippableFact]
    public void Every_property_reaches_QEMU_as_it_was_meant()
    {
        QemuProcess.Needs("8.2");
        using TestFolder folder = new();
        using MemoryBackends backends = Make.Backends();
        MemoryBackendOptions options = new()
        {
            Id = "m", Path = folder.File("a,b", 3 * Make.Page), Size = 2 * Make.Page, Offset = Make.Page, Align = 2 << 20,
            Share = true, Reserve = false,
            Merge = true, Dump = false, HostNodes = [0], NumaPolicy = NumaPolicy.Preferred, PreallocThreads = 3,
        };
        QemuArgument argument = QemuBackend.ToArgument(options, backends.Test(options), s_version);
        (QemuProcess? running, string? refusal) = QemuProcess.Start(argument.Arguments);
        Assert.Null(refusal);
        using (running)
        {
            JsonElement found = running!.Backends()["m"];
            Assert.Equal(2 * Make.Page, found.GetProperty("size").GetInt64());
            Assert.True(found.GetProperty("merge").GetBoolean());
            Assert.False(found.GetProperty("dump").GetBoolean());
            Assert.True(found.GetProperty("share").GetBoolean());
            Assert.False(found.GetProperty("reserve").GetBoolean());
            Assert.False(found.GetProperty("prealloc").GetBoolean());
            Assert.Equal("preferred", found.GetProperty("policy").GetString());
            Assert.Equal([0], found.GetProperty("host-nodes").EnumerateArray().Select(node => node.GetInt32()));
            string mapping = Assert.Single(running.MappingLines(options.Path!));
            Assert.Equal("00001000", mapping.Split(' ')[2]);
            Assert.Equal(0, long.Parse(mapping.Split('-')[0], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture) % (2 << 20));
        }
    }

    // Spellings, and whether QEMU 10.0 takes them.
    public static TheoryData<string, bool> Spellings() => new()
    {
        { "size=16M", true }, { "size=16m", true }, { "size=16384K", true }, { "size=0.25G", true }, { "size=.25g", true },
        { "size=1.M", true }, { "size=16777216", true }, { "size=16777216B", true }, { "size=16777216.0", true },
        { "size=0x1000000", true },
        { "size=+16M", true },
        { "size= 16M", true }, { "size=1M,size=2M", true }, { "size=4096.5", false },
        { "size=16MB", false }, { "size=16MiB", false },
        { "size=0x1M", false }, { "size=1e6", false }, { "size=", false }, { "size=-4096", false }, { "size=.", false },
        { "size=M", false },
        { "size=16M ", false }, { "size=99999999999999999999", false }, { "size=8M,share=yes", true }, { "size=8M,share=true", true },
        { "size=8M,share=y", true }, { "size=8M,share", true }, { "size=8M,noshare", true }, { "size=8M,share=ON", false },
        { "size=8M,share=1", false },
        { "size=8M,share=on,share=off", true }, { "size=8M,policy=bind,host-nodes=0", true }, { "size=8M,policy=Bind,host-nodes=0", false },
        { "size=8M,policy=bind,host-nodes=0-1-2", false }, { "size=8M,policy=bind,host-nodes=1-0", false },
        { "size=8M,policy=bind,host-nodes=128", false },
        { "size=8M,prealloc-threads=0", false }, { "size=8M,prealloc-threads=0x2", true }, { "size=8M,prealloc-threads=-1", false },
        { "size=8M,merge=off,dump=no", true }, { "size=8M,sizes=1", false }, { "size=8M,", true }, { "size=8M,id=other", true },
    };

    [Theory]
    [MemberData(nameof(Spellings))]
    public void Spellings_are_taken_where_QEMU_takes_them(string text, bool taken)
    {
        Exception? error = Record.Exception(() => QemuBackendReader.Read($"memory-backend-ram,id=m,{text}"));
        Assert.True(taken ? error is null : error is MemoryBackendException, error?.Message);
    }

    [SkippableFact]
    public void And_QEMU_reads_them_alike()
    {
        QemuProcess.Needs("10.0");
        Assert.All(Spellings(), row => CompareReading((string)((object[])row)[0], (bool)((object[])row)[1]));
    }

    [SkippableTheory]
    [InlineData(BackendKind.File)]
    [InlineData(BackendKind.Memfd)]
    [InlineData(BackendKind.Anonymous)]
    public void Every_property_that_QEMU_lists_is_known(BackendKind kind)
    {
        QemuProcess.Needs("8.2");
        var (code, output) = Host.Run(QemuProcess.Program!, "-object", $"{QemuProperty.ObjectOf(kind)},help");
        Assert.Equal(0, code);
        string[] listed = [.. output.Split('\n').Where(line => line.StartsWith("  ", StringComparison.Ordinal))
            .Select(line => line.Trim().Split('=')[0]).Order()];
        string[] known = [.. QemuProperty.All.Where(property => property.Kinds.Contains(kind)).Select(property => property.Name).Order()];
        Assert.NotEmpty(listed);
        Assert.Empty(known.Except(listed));
        if (s_version <= new Version(10, 0))
        {
            Assert.Empty(listed.Except(known));
        }
    }

    private static void CompareReading(string text, bool taken)
    {
        string argument = $"memory-backend-ram,id=m,reserve=off,{text}";
        (QemuProcess? running, string? refusal) = QemuProcess.Start(["-object", argument]);
        using (running)
        {
            Assert.True(taken == (refusal is null), refusal ?? $"QEMU takes {text}");
            if (running is not null)
            {
                MemoryBackendOptions read = QemuBackendReader.Read(argument);
                JsonElement found = running.Backends()[read.Id!];
                Assert.Equal(found.GetProperty("size").GetInt64(), read.Size);
                Assert.Equal(found.GetProperty("share").GetBoolean(), read.Share);
                Assert.Equal(found.GetProperty("merge").GetBoolean(), read.Merge);
                Assert.Equal(found.GetProperty("dump").GetBoolean(), read.Dump);
                Assert.Equal(found.GetProperty("policy").GetString(), read.NumaPolicy.ToString().ToLowerInvariant());
                Assert.Equal(found.GetProperty("host-nodes").EnumerateArray().Select(node => node.GetInt32()), read.HostNodes);
            }
        }
    }

    private static void Compare(QemuRow row, string path, long size)
    {
        using MemoryBackends backends = Make.Backends();
        MemoryBackendOptions options = row.Options with { Path = path, Size = size };
        string doubled = path.Replace(",", ",,", StringComparison.Ordinal);
        string argument = $"memory-backend-file,id=m,size={size},mem-path={doubled},{row.Argument}";
        if (row.Decision.Error is { } expected)
        {
            BackendReport report = backends.Test(options);
            MemoryBackendException error = Assert.Throws<MemoryBackendException>(() => QemuBackend.ToArgument(options, report, s_version));
            Assert.Equal(expected.Id, error.ErrorId);
            (QemuProcess? refused, string? refusal) = QemuProcess.Start(["-object", argument]);
            using (refused)
            {
                Assert.Contains(row.Answer, refusal, StringComparison.Ordinal);
            }

            return;
        }

        string[] own;
        QemuArgument written;
        using (MemoryBackend backend = backends.Create(options))
        {
            own = [.. QemuProcess.OpenFlags(Environment.ProcessId, path), .. QemuProcess.Mappings(Environment.ProcessId, path)];
            written = QemuBackend.ToArgument(backend.Info, s_version);
        }

        Assert.Contains(row.Argument, written.Arguments[1], StringComparison.Ordinal);
        (QemuProcess? running, string? why) = QemuProcess.Start(written.Arguments);
        Assert.Null(why);
        using (running)
        {
            Assert.Equal(own, QemuProcess.OpenFlags(running!.Id, path).Concat(QemuProcess.Mappings(running.Id, path)));
            Assert.Equal(row.Answer, string.Join(", ", own));
        }
    }
}
