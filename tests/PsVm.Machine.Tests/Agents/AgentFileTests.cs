using System.Text;
using System.Text.Json;
using PsVm.Machine.Agents;
using PsVm.Memory.Tests.Support;
using Mounts = PsVm.Memory.Tests.Support.Host;

namespace PsVm.Machine.Tests.Agents;

/// <summary>Files copied by an agent, which is a guest's and so may answer anything, from and to a host that may have no room.</summary>
public sealed class AgentFileTests : AgentTest, IDisposable
{
    private readonly TestFolder _folder = new();
    private readonly List<string> _pieces = ["one ", "two"];

    public AgentFileTests() => Answer = (request, _) => request switch
    {
        "guest-file-open" => Return("3"),
        "guest-file-read" => Piece(_pieces.ElementAtOrDefault(Asked.Count(asked => asked == "guest-file-read") - 1) ?? ""),
        _ => Return("{}"),
    };

    private string To => _folder.In("to");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_file_comes_piece_by_piece_and_takes_the_place_of_what_was_there()
    {
        await File.WriteAllTextAsync(To, "before");

        Assert.Equal(7, await CopyFrom());

        Assert.Equal("one two", await File.ReadAllTextAsync(To));
        AssertClosedAndNothingLeft();
    }

    [Fact]
    public async Task A_folder_of_the_hosts_that_is_not_there_is_told_with_what_to_do()
    {
        GuestException error = await Fails(_folder.In("none/to"), GuestErrorIds.GuestCopyFailed);

        Assert.Contains("New-Item", error.RecommendedAction, StringComparison.Ordinal);
        AssertClosedAndNothingLeft();
    }

    [Theory]
    [InlineData("cannot open the file: error 2", "cannot open the file: error 2 (No such file or directory)")]
    [InlineData("failed to open file '/from' (mode: 'r'): Permission denied", "failed to open file '/from' (mode: 'r'): Permission denied")]
    [InlineData("error 99999999999\u001b[31m", "error 99999999999\\x1b[31m")]
    public async Task A_file_of_the_guests_that_cannot_be_opened_is_told_with_why(string found, string told)
    {
        Answer = (_, _) => "{\"error\": {\"class\": \"GenericError\", \"desc\": " + JsonSerializer.Serialize(found) + "}}\n";

        GuestException error = await Fails(To, GuestErrorIds.GuestAgentRefused);

        Assert.Equal($"Expected to open '/from' in guest 'web' to read it, found: {told}", error.Message);
        Assert.Equal("Give the path of a file that is there.", error.RecommendedAction);
        Assert.Empty(Directory.EnumerateFileSystemEntries(_folder.Path));
    }

    [Fact]
    public async Task A_folder_that_goes_meanwhile_is_told_in_the_same_way()
    {
        string folder = Directory.CreateDirectory(_folder.In("gone")).FullName;
        Func<string, JsonElement, string?> usual = Answer;
        Answer = (request, arguments) =>
        {
            if (request == "guest-file-read" && Directory.Exists(folder))
            {
                Directory.Delete(folder, recursive: true);
            }

            return usual(request, arguments);
        };

        await Fails(Path.Combine(folder, "to"), GuestErrorIds.GuestCopyFailed);

        AssertClosedAndNothingLeft();
    }

    [Fact]
    public async Task A_folder_in_the_files_place_is_told()
    {
        Directory.CreateDirectory(To);

        await Fails(To, GuestErrorIds.GuestCopyFailed);

        AssertClosedAndNothingLeft();
    }

    [SkippableFact]
    public async Task A_full_disk_of_the_hosts_is_told_and_what_was_there_stays()
    {
        using Mounted small = Mounts.Mount(_folder, "tmpfs", "size=64k");
        await File.WriteAllTextAsync(small.In("to"), "before");
        _pieces.Clear();
        _pieces.AddRange(Enumerable.Repeat(new string('x', 40_000), 3));

        GuestException error = await Fails(small.In("to"), GuestErrorIds.GuestCopyFailed);

        Assert.Contains("room", error.RecommendedAction, StringComparison.Ordinal);
        Assert.Equal("before", await File.ReadAllTextAsync(small.In("to")));
        Assert.Single(Directory.EnumerateFileSystemEntries(small.Path));
        Assert.Equal("guest-file-close", Asked[^1]);
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("7")]
    [InlineData("{\"count\": -1}")]
    [InlineData("{\"count\": 3}")]
    [InlineData("{\"count\": 3.5, \"buf-b64\": \"YWJj\"}")]
    [InlineData("{\"count\": 49153, \"buf-b64\": \"YWJj\"}")]
    [InlineData("{\"count\": 3, \"buf-b64\": \"%\"}")]
    [InlineData("{\"count\": 3, \"buf-b64\": 5}")]
    [InlineData("{\"count\": 3, \"buf-b64\": \"YWJjZA==\"}")]
    [InlineData("{\"count\": 1, \"buf-b64\": \"\"}")] // which would never end
    public async Task Nonsense_for_a_piece_is_an_error_and_nothing_is_left(string answer)
    {
        Func<string, JsonElement, string?> usual = Answer;
        Answer = (request, arguments) => request == "guest-file-read" ? Return(answer) : usual(request, arguments);

        await Fails(To, GuestErrorIds.GuestAgentGarbled);

        AssertClosedAndNothingLeft();
    }

    [Theory]
    [InlineData("\"3\"")]
    [InlineData("1e99")]
    [InlineData("{}")]
    public async Task Nonsense_for_a_handle_is_an_error(string answer)
    {
        Answer = (_, _) => Return(answer);

        await Fails(To, GuestErrorIds.GuestAgentGarbled);

        Assert.Empty(Directory.EnumerateFileSystemEntries(_folder.Path));
        Assert.Equal("guest-file-open", Asked[^1]);
    }

    [Fact]
    public async Task An_agent_that_stops_answering_costs_its_patience()
    {
        Agent.Patience = Soon;
        Func<string, JsonElement, string?> usual = Answer;
        Answer = (request, arguments) => request == "guest-file-read" ? null : usual(request, arguments);

        await Fails(To, GuestErrorIds.GuestAgentSilent);

        AssertClosedAndNothingLeft();
    }

    [Fact]
    public async Task An_answer_without_end_and_a_file_without_end_are_given_up()
    {
        Agent.Patience = TimeSpan.FromMinutes(2); // the flood may have to wait for a thread
        using CancellationTokenSource enough = new();
        Task flood = Task.CompletedTask;
        Func<string, JsonElement, string?> usual = Answer;
        Answer = (request, arguments) =>
        {
            if (request != "guest-file-read")
            {
                return usual(request, arguments);
            }

            flood = Task.Run(() => Flood(new string('x', 4000), enough.Token));
            return null;
        };
        Task<GuestException> flooded = Fails(To, GuestErrorIds.GuestAgentFlooded);
        await Task.WhenAny(flooded, Task.Delay(TimeSpan.FromMinutes(4)));
        await enough.CancelAsync();
        await flood;
        await flooded;
        Empty();
        Assert.Empty(Directory.EnumerateFileSystemEntries(_folder.Path));

        Answer = (request, _) =>
            request == "guest-file-open" ? Return("3") : request == "guest-file-read" ? Piece(new string('x', 40_000)) : Return("{}");
        GuestException endless = await Fails(To, GuestErrorIds.GuestCopyFailed);
        Assert.Contains("has an end", endless.RecommendedAction, StringComparison.Ordinal);
        AssertClosedAndNothingLeft();
    }

    [Theory]
    [InlineData("{\"count\": 0}")] // which would never end
    [InlineData("{\"count\": 4}")]
    [InlineData("{}")]
    public async Task Nonsense_for_what_was_written_is_an_error(string answer)
    {
        await File.WriteAllTextAsync(To, "abc");
        Answer = (request, _) => Return(request == "guest-file-open" ? "3" : request == "guest-file-write" ? answer : "{}");

        GuestException error = await Assert.ThrowsAsync<GuestException>(() => AgentFiles.CopyToAsync(
            Agent, "web", To, "/to", CancellationToken.None));

        Assert.Equal(GuestErrorIds.GuestAgentGarbled, error.ErrorId);
        Assert.Equal("guest-file-close", Asked[^1]);
    }

    [Fact]
    public async Task What_is_written_in_part_goes_on_where_it_was()
    {
        await File.WriteAllTextAsync(To, "abcdef");
        StringBuilder written = new();
        Answer = (request, arguments) =>
        {
            if (request != "guest-file-write")
            {
                return Return(request == "guest-file-open" ? "3" : "{}");
            }

            byte[] bytes = arguments.GetProperty("buf-b64").GetBytesFromBase64();
            written.Append(Encoding.ASCII.GetString(bytes, 0, Math.Min(4, bytes.Length)));
            return Return($"{{\"count\": {Math.Min(4, bytes.Length)}}}");
        };

        Assert.Equal(6, await AgentFiles.CopyToAsync(Agent, "web", To, "/to", CancellationToken.None));
        Assert.Equal("abcdef", $"{written}");
    }

    private static string Piece(string text) =>
        Return($"{{\"count\": {text.Length}, \"buf-b64\": \"{Convert.ToBase64String(Encoding.ASCII.GetBytes(text))}\"}}");

    private Task<long> CopyFrom() => AgentFiles.CopyFromAsync(Agent, "web", "/from", To, 100_000, CancellationToken.None);

    private async Task<GuestException> Fails(string hostPath, string id)
    {
        GuestException error = await Assert.ThrowsAsync<GuestException>(
            () => AgentFiles.CopyFromAsync(Agent, "web", "/from", hostPath, 100_000, CancellationToken.None));
        Assert.Equal(id, error.ErrorId);
        return error;
    }

    private void AssertClosedAndNothingLeft()
    {
        Assert.Equal("guest-file-close", Asked[^1]);
        Assert.Empty(Directory.EnumerateFiles(_folder.Path, "*.partial", SearchOption.AllDirectories));
    }
}
