using PsVm.Memory.Tests.Support;
using PsVm.Tests;

namespace PsVm.Memory.Tests.Options;

/// <summary>Who may use which RAM: each cell of the table in docs/memory-consumers.md, and what needs no table.</summary>
public sealed class ConsumerTests : IDisposable
{
    private const string Id = "memory-of-test";

    private readonly TestFolder _folder = new();
    private readonly MemoryBackends _backends = Make.Backends();

    public static TheoryData<string, string, string> Cells()
    {
        string[][] lines =
        [
            .. File.ReadLines(Path.Combine(Repository.Path, "docs/memory-consumers.md"))
                .SkipWhile(line => !line.StartsWith("| consumer ", StringComparison.Ordinal))
                .TakeWhile(line => line.StartsWith('|'))
                .Select(line => line.Trim('|').Split('|', StringSplitOptions.TrimEntries)),
        ];
        TheoryData<string, string, string> cells = [];
        foreach (string[] row in lines.Skip(2))
        {
            Assert.Equal(lines[0].Length, row.Length);
            for (int column = 1; column < row.Length; column++)
            {
                cells.Add(row[0], lines[0][column], row[column]);
            }
        }

        return cells;
    }

    public void Dispose()
    {
        _backends.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void The_table_has_all_consumers() =>
        Assert.Equal(Enum.GetNames<MemoryConsumer>().Order(), Cells().Select(cell => ((object[])cell)[0]).Distinct().Order());

    [SkippableTheory]
    [MemberData(nameof(Cells))]
    public void Is_checked_when_the_guest_is_put_together(string consumer, string memory, string result)
    {
        if (!memory.EndsWith("hugetlbfs", StringComparison.Ordinal))
        {
            Check(consumer, result, Options(memory));
            return;
        }

        using HugePages pages = new(1);
        using Mounted mount = Host.Mount(_folder, "hugetlbfs");
        Check(consumer, result, new MemoryBackendOptions
        {
            Id = Id, Path = Path.Combine(mount.Path, "ram"), Size = HugePages.Size,
            Share = memory.StartsWith("shared", StringComparison.Ordinal),
            FileAccessMode = FileAccessMode.ReadWrite,
        });
        _backends.Get(Id).Dispose();
    }

    [Theory]
    [InlineData("Balloon", "private file", "discard")]
    [InlineData("Balloon", "anonymous", "discard")]
    [InlineData("FreePageReporting", "private file", "discard")]
    [InlineData("FreePageReporting", "shared memfd", "discard")]
    [InlineData("PostCopyDestination", "anonymous", "discard")]
    [InlineData("VhostUserDevice", "shared memfd", "yes")]
    [InlineData("Template", "private file", "yes")]
    public void A_policy_of_Deny_counts_on_RAM_of_each_kind(string consumer, string memory, string result) =>
        Check(consumer, result, Options(memory) with { DiscardPolicy = DiscardPolicy.Deny });

    [Fact]
    public void A_directory_gives_a_file_without_a_name()
    {
        MemoryBackendOptions options = new() { Id = Id, Path = _folder.Path, Size = Make.Page, Share = true };

        Check(nameof(MemoryConsumer.VhostUserDevice), "yes", options);
        _backends.Get(Id).Dispose();
        Check(nameof(MemoryConsumer.Template), "named", options);
        _backends.Get(Id).Dispose();
        Check(nameof(MemoryConsumer.SnapshotWithoutRam), "named", options);
    }

    private MemoryBackendOptions Options(string memory)
    {
        MemoryBackendOptions options = new()
        {
            Id = Id,
            Size = Make.Page,
            Share = memory.StartsWith("shared", StringComparison.Ordinal),
            ReadOnly = memory.EndsWith("ROM", StringComparison.Ordinal),
        };
        return memory switch
        {
            "shared memfd" or "private memfd" => options with { Kind = BackendKind.Memfd },
            "anonymous" => options,
            "any, Deny" => options with { Path = _folder.File("ram", Make.Page), Share = true, DiscardPolicy = DiscardPolicy.Deny },
            "private file, deny" => options with { Path = _folder.File("ram", Make.Page), DenyPrivateDiscard = true },
            "shared file" or "private file" or "shared ROM" or "private ROM" => options with { Path = _folder.File("ram", Make.Page) },
            _ => throw new ArgumentException($"'{memory}' is no kind of RAM that this test has", nameof(memory)),
        };
    }

    /// <summary>Checks what the rules say before RAM is made, and of RAM that is there.</summary>
    private void Check(string consumer, string result, MemoryBackendOptions options)
    {
        MemoryConsumer who = Enum.Parse<MemoryConsumer>(consumer);
        string? expected = result switch
        {
            "shared" => MemoryErrorIds.ConsumerNeedsSharedFile,
            "discard" => MemoryErrorIds.ConsumerNeedsDiscard,
            "named" => MemoryErrorIds.ConsumerNeedsNamedFile,
            "yes" => null,
            _ => throw new ArgumentException($"'{result}' is no result", nameof(result)),
        };
        PsVmException? before = Record.Exception(() => _backends.CheckConsumer(options, Id, who)) as PsVmException;
        MemoryBackend backend = _backends.Create(options);

        PsVmException? error = Record.Exception(() => backend.CheckConsumer(who)) as PsVmException;

        Assert.Equal((expected, expected), (before?.ErrorId, error?.ErrorId));
        if (error is not null)
        {
            Assert.Contains(Id, error.Message, StringComparison.Ordinal);
            Assert.Equal(error.Message, before!.Message);
        }
    }
}
