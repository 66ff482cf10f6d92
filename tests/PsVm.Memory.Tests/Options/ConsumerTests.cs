using PsVm.Memory.Tests.Support;

namespace PsVm.Memory.Tests.Options;

public sealed class ConsumerTests
{
    private const string Table =
        """
        consumer             shared/file  private/file  private/file/deny  denied/file  directory  shared/memfd  anonymous  shared/anonymous
        VhostUserDevice      ok           shared        shared             ok           ok         ok            shared     shared
        PostCopyDestination  ok           ok            discard            discard      ok         ok            ok         ok
        Balloon              ok           ok            discard            discard      ok         ok            ok         ok
        FreePageReporting    ok           ok            discard            discard      ok         ok            ok         ok
        Template             ok           ok            ok                 ok           named      named         named      named
        SnapshotWithoutRam   ok           named         named              ok           named      named         named      named
        """;

    public static TheoryData<string, string, string> Cases() => TextTable.Cells(Table);

    [Theory]
    [MemberData(nameof(Cases))]
    public void Is_checked_when_the_guest_is_put_together(string consumer, string memory, string result)
    {
        var share = !memory.StartsWith("private", StringComparison.Ordinal);
        using var folder = new TestFolder();
        using var backends = Make.Backends();
        var options = new MemoryBackendOptions { Id = "memory-of-test", Size = Make.Page, Share = share };
        var path = folder.File("ram", Make.Page);
        options = memory switch
        {
            "shared/memfd" => options with { Kind = BackendKind.Memfd },
            "anonymous" => options with { Share = false },
            "shared/anonymous" => options,
            "directory" => options with { Path = folder.Path },
            "denied/file" => options with { Path = path, DiscardPolicy = DiscardPolicy.Deny },
            _ => options with { Path = path, DenyPrivateDiscard = memory.EndsWith("deny", StringComparison.Ordinal) },
        };
        var backend = backends.Create(options);
        var error = Record.Exception(() => backend.CheckConsumer(Enum.Parse<MemoryConsumer>(consumer))) as MemoryBackendException;
        var expected = result switch
        {
            "shared" => MemoryErrorIds.ConsumerNeedsSharedFile,
            "discard" => MemoryErrorIds.ConsumerNeedsDiscard,
            "named" => MemoryErrorIds.ConsumerNeedsNamedFile,
            _ => null,
        };
        Assert.Equal(expected, error?.ErrorId);
        if (error is not null)
        {
            Assert.Contains("memory-of-test", error.Message, StringComparison.Ordinal);
        }
    }
}
