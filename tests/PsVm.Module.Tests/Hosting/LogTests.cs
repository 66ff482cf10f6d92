using System.Diagnostics;
using System.Text.Json;
using PsVm.Module.Hosting.Logs;
using PsVm.Module.Output;
using PsVm.Module.Tests.Guests;

namespace PsVm.Module.Tests.Hosting;

public sealed class LogTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("psvm-log-").FullName;
    private readonly FakeGuestHost _host = new();
    private readonly RecordingOutput _output = new();

    private string PathOfLog => Path.Combine(_folder, "log.jsonl");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void A_line_is_one_JSON_object_of_ASCII_whatever_is_said()
    {
        DateTimeOffset time = new(2026, 1, 2, 5, 4, 5, TimeSpan.FromHours(2));
        LogLine line = new(time, "Warning", "Start-Guest", "SomeId", "two\nlines \u001b[6n \ud800 ü \u2028")
        {
            Guest = new GuestReference("web", Guid.Empty),
            Values = new Dictionary<string, object?> { ["memoryBytes"] = 128L << 20, ["harts"] = 2, ["boot"] = "x\u0007", ["none"] = null },
        };

        byte[] bytes = line.ToJson().ToArray();

        Assert.All(bytes[..^1], value => Assert.InRange(value, (byte)0x20, (byte)0x7e));
        Assert.Equal((byte)'\n', bytes[^1]);
        JsonElement json = JsonDocument.Parse(bytes).RootElement;
        Assert.Equal(
            ["time", "level", "category", "event", "message", "guest", "guestId", "values"],
            json.EnumerateObject().Select(property => property.Name));
        Assert.Equal("2026-01-02T03:04:05Z", json.GetProperty("time").GetString());
        Assert.StartsWith("two\nlines \\x1b[6n \\ud800 ü", json.GetProperty("message").GetString(), StringComparison.Ordinal);
        Assert.Equal(("web", $"{Guid.Empty}"), (json.GetProperty("guest").GetString(), json.GetProperty("guestId").GetString()));
        Assert.Equal("""{"memoryBytes":134217728,"harts":2,"boot":"x\\x07"}""", json.GetProperty("values").GetRawText());
    }

    [Fact]
    public void Lines_of_many_writers_stay_whole()
    {
        const int writers = 8, lines = 250;
        string text = new('x', 3000);
        Parallel.For(0, writers, writer =>
        {
            LogFile log = LogFile.Open(PathOfLog, create: true);
            for (int i = 0; i < lines; i++)
            {
                log.Append(new LogLine(DateTimeOffset.UtcNow, "Information", $"{writer}", $"{i}", text));
            }
        });

        var found = Lines().GroupBy(line => line.GetProperty("category").GetString()!).ToList();
        Assert.Equal(writers, found.Count);
        Assert.All(
            found,
            of => Assert.Equal(Enumerable.Range(0, lines).Select(i => $"{i}"), of.Select(line => line.GetProperty("event").GetString())));
    }

    [Theory]
    [InlineData("", "no regular file|directory")]
    [InlineData("none/log", "No such file")]
    [InlineData("fifo", "No such device")]
    [InlineData("file/log", "Not a directory")]
    public void A_path_that_cannot_be_a_log_is_an_error_with_and_without_making_it(string name, string found)
    {
        File.WriteAllText(Path.Combine(_folder, "file"), "");
        using (Process mkfifo = Process.Start("mkfifo", [Path.Combine(_folder, "fifo")]))
        {
            mkfifo.WaitForExit();
        }

        string path = Path.Combine(_folder, name);
        foreach (bool create in (bool[])[true, false])
        {
            CmdletException error = Assert.Throws<CmdletException>(() => LogFile.Open(path, create));
            Assert.Equal((ModuleErrorIds.LogPathInvalid, path), (error.ErrorId, error.Target));
            Assert.Contains(found.Split('|'), text => error.Message.Contains(text, StringComparison.OrdinalIgnoreCase));
        }
    }

    [Fact]
    public void Looking_at_a_path_makes_no_file()
    {
        LogFile.Open(PathOfLog, create: false);
        Assert.Empty(Directory.GetFileSystemEntries(_folder));
    }

    [Fact]
    public void What_cannot_be_appended_is_warned_of_once_and_a_rotated_log_begins_anew()
    {
        LoggedOutput logged = Logged(follows: false);
        logged.WriteWarning("[SomeId] first");
        File.Move(PathOfLog, PathOfLog + ".1");
        Directory.CreateDirectory(PathOfLog);
        logged.WriteVerbose("lost");
        logged.WriteDebug("lost");
        Directory.Delete(PathOfLog);
        logged.WriteError(new CmdletException("Wrong", "last", "web", "mend it"));

        JsonElement last = Assert.Single(Lines());
        Assert.Equal(("Error", "Wrong", "last"), (Text(last, "level"), Text(last, "event"), Text(last, "message")));
        Assert.Equal("""{"target":"web","category":"InvalidArgument","recommendedAction":"mend it"}""", last.GetProperty("values").GetRawText());
        Assert.Contains("\"event\":\"SomeId\",\"message\":\"first\"", File.ReadAllText(PathOfLog + ".1"), StringComparison.Ordinal);
        Assert.Equal(2, _output.Warnings.Count);
        Assert.StartsWith(
            $"[{ModuleErrorIds.LogWriteFailed}] Expected to append to the log '{PathOfLog}'",
            _output.Warnings[1],
            StringComparison.Ordinal);
        Assert.Single(_output.Verbose);
        Assert.Single(_output.Debug);
        Assert.Single(_output.Errors);
    }

    [Fact]
    public void What_happens_to_guests_that_were_started_is_logged_once_until_they_are_removed()
    {
        using GuestLogs logs = new(_host);
        LoggedOutput start = Logged(follows: true, logs);
        foreach (string name in (string[])["web", "db"])
        {
            GuestInfo guest = _host.Add(name);
            Happens(HostEventIds.GuestStarted, guest);
            start.WriteObject(new Guest(_host, guest));
        }

        start.End(_host.Events);
        GuestInfo other = _host.Add("other");
        Happens(HostEventIds.GuestFailed, other);
        Happens(HostEventIds.GuestFailed, _host.Get("web"));
        Happens(HostEventIds.GuestRemoved, _host.Get("web"));
        Happens(HostEventIds.GuestStopped, _host.Get("db"));
        logs.Look();
        logs.Look();

        // A later cmdlet with that log tells of the other one only.
        Logged(follows: false, logs).End(_host.Events);
        Assert.Equal(
            ["GuestStarted web", "GuestStarted db", "GuestFailed web", "GuestRemoved web", "GuestStopped db", "GuestFailed other"],
            Lines().Select(line => $"{Text(line, "event")} {Text(line, "guest")}"));
    }

    private static string? Text(JsonElement line, string name) => line.GetProperty(name).GetString();

    private LoggedOutput Logged(bool follows, GuestLogs? logs = null) =>
        new(_output, LogFile.Open(PathOfLog, create: true), "Start-Guest", follows, _host, logs ?? new GuestLogs(_host));

    private void Happens(string id, GuestInfo guest) =>
        _host.Events.Add(new HostEvent(DateTimeOffset.UtcNow, HostEventLevel.Information, id, id) { Guest = guest.Reference });

    private List<JsonElement> Lines() => [.. File.ReadLines(PathOfLog).Select(line => JsonDocument.Parse(line).RootElement)];
}
