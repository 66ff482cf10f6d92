using PsVm.Memory.Tests.Support;

namespace PsVm.Memory.Tests.Files;

/// <summary>Who writes a RAM file has it alone, within one process; that of two is a test of guests (RamFileLockTests there).</summary>
public sealed class RamFileLockTests : BackendTest
{
    private const long Page = Make.Page;

    private static readonly MemoryBackendOptions s_shared = new() { Size = 2 * Page, Share = true };

    [Fact]
    public void A_second_writer_is_refused_and_told_of_the_first()
    {
        var options = s_shared with { Path = Folder.File("ram", 4 * Page) };
        using var first = Backends.CreateAsForetold(options with { Id = "first" });
        var error = Fails(MemoryErrorIds.RamFileInUse, options);
        Assert.Contains("'first'", error.Message, StringComparison.Ordinal);
        Assert.Contains("AllowSharedWriters", error.RecommendedAction, StringComparison.Ordinal);

        first.Dispose();
        using var second = Backends.CreateAsForetold(options);
        Assert.Empty(second.Outcome.Warnings);
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, true)]
    public void Readers_and_writers_refuse_each_other_but_readers_share(bool share, bool readOnly)
    {
        var path = Folder.File("ram", 4 * Page);
        var writer = s_shared with { Path = path };
        var reader = s_shared with { Path = path, Share = share, ReadOnly = readOnly };
        using (Backends.CreateAsForetold(writer with { Id = "writer" }))
        {
            Assert.Contains("'writer'", Fails(MemoryErrorIds.RamFileInUse, reader).Message, StringComparison.Ordinal);
        }

        using (Backends.CreateAsForetold(reader))
        using (Backends.CreateAsForetold(reader with { Id = "reader" }))
        {
            Fails(MemoryErrorIds.RamFileInUse, writer);
        }

        Backends.CreateAsForetold(writer).Dispose();
    }

    [Fact]
    public void Writers_of_other_bytes_of_the_file_are_none_of_ours()
    {
        var path = Folder.File("ram", 4 * Page);
        using var low = Backends.CreateAsForetold(s_shared with { Path = path });
        using var high = Backends.CreateAsForetold(s_shared with { Path = path, Offset = 2 * Page });
        Fails(MemoryErrorIds.RamFileInUse, s_shared with { Path = path, Offset = Page });
    }

    [Fact]
    public void Another_manager_of_the_process_is_found_by_its_process()
    {
        var options = s_shared with { Path = Folder.File("ram", 4 * Page) };
        using var others = Make.Backends();
        using var first = others.CreateAsForetold(options);
        Assert.Contains($"process {Environment.ProcessId} ", Fails(MemoryErrorIds.RamFileInUse, options).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Who_allows_shared_writers_is_warned_and_counts_for_the_next()
    {
        var options = s_shared with { Path = Folder.File("ram", 4 * Page) };
        var first = Backends.CreateAsForetold(options with { Share = false, Id = "first" });
        using var second = Backends.CreateAsForetold(options with { AllowSharedWriters = true });
        var warning = Assert.Single(second.Outcome.Warnings);
        Assert.Equal(MemoryWarningIds.SharedWriters, warning.Id);
        Assert.Contains("'first'", warning.Message, StringComparison.Ordinal);

        first.Dispose();
        Fails(MemoryErrorIds.RamFileInUse, options);
    }

    [Fact]
    public void A_file_that_was_handed_over_is_read_by_others_and_written_by_none()
    {
        var options = s_shared with { Path = Folder.File("ram", 4 * Page) };
        using var writer = Backends.CreateAsForetold(options);
        writer.HandOverFile();
        using var clone = Backends.CreateAsForetold(options with { Share = false });
        writer.Dispose();
        Fails(MemoryErrorIds.RamFileInUse, options);
    }

    [Fact]
    public void A_writer_of_a_file_in_memory_locks_it_too()
    {
        var path = $"/dev/shm/psvm-lock-{Guid.NewGuid():n}";
        try
        {
            using var first = Backends.CreateAsForetold(s_shared with { Path = path });
            Backends.CreateFails(MemoryErrorIds.RamFileInUse, s_shared with { Path = path });
        }
        finally
        {
            File.Delete(path);
        }
    }
}
