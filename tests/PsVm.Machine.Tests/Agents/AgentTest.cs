using System.Text;
using System.Text.Json;
using PsVm.Machine.Agents;
using PsVm.Machine.Devices;
using PsVm.Machine.Tests.Support;

namespace PsVm.Machine.Tests.Agents;

/// <summary>The host's side of an agent, and a guest that answers as a test says.</summary>
public abstract class AgentTest
{
    /// <summary>What an agent answers that does not know a request.</summary>
    protected const string Unknown = "{\"error\": {\"class\": \"CommandNotFound\", \"desc\": \"no\"}}\n";

    protected static readonly TimeSpan Soon = TimeSpan.FromMilliseconds(200);

    private readonly StringBuilder _heard = new();

    protected AgentTest()
    {
        Agent = new GuestAgent(Port, () => "web", () => Cpu()) { Time = Time };
        Port.SetOpen(true);
        Port.Moved = Hear;
    }

    /// <summary>The host's time, which stands still unless a test has it go on.</summary>
    private protected ManualTime Time { get; } = new();

    private protected ConsolePort Port { get; } = new("p");

    private protected GuestAgent Agent { get; }

    /// <summary>The names of what the guest was asked for.</summary>
    protected List<string> Asked { get; } = [];

    /// <summary>What the guest writes when it is asked for something; null: nothing.</summary>
    protected Func<string, JsonElement, string?> Answer { get; set; } = (_, _) => "{\"return\": {}}\n";

    /// <summary>Told what the host wrote, as it comes.</summary>
    protected Action<string>? Heard { get; set; }

    /// <summary>What it has had of the host's CPUs, and whether it wants more.</summary>
    protected Func<(TimeSpan Had, bool WantsMore)> Cpu { get; set; } = () => default;

    /// <summary>It answers what begins a session.</summary>
    protected bool Syncs { get; set; } = true;

    /// <summary>The answer of a guest whose clock is right.</summary>
    protected string ReturnNow => Return($"{(Time.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks * 100}");

    protected static string Return(string value) => $"{{\"return\": {value}}}\n";

    /// <summary>The guest's side: takes what was written, and answers each request at once.</summary>
    private void Hear()
    {
        byte[] bytes = new byte[ConsolePort.MostInput];
        string text;
        lock (_heard)
        {
            string written = Encoding.Latin1.GetString(bytes, 0, Port.Take(bytes));
            _heard.Append(written);
            if (written.Length > 0)
            {
                Heard?.Invoke(written);
            }

            text = $"{_heard}";
            int end = text.LastIndexOf('\n') + 1;
            _heard.Remove(0, end);
            text = text[..end];
        }

        foreach (string line in text.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            using JsonDocument request = JsonDocument.Parse(line.TrimStart('\xff'));
            string name = request.RootElement.GetProperty("execute").GetString()!;
            Asked.Add(name);
            JsonElement arguments = request.RootElement.TryGetProperty("arguments", out JsonElement found) ? found : default;
            string? answer = name == "guest-sync-delimited" && Syncs
                ? $"\xff{Return($"{arguments.GetProperty("id").GetInt64()}")}"
                : Answer(name, arguments);
            // It answers on the thread that asks, which takes nothing out meanwhile: behind a flood there may be no room until then.
            if (answer is not null && SpinWait.SpinUntil(() => Port.TakesOutput, TimeSpan.FromSeconds(1)))
            {
                Port.Put(Encoding.Latin1.GetBytes(answer));
            }
        }
    }

    protected void Put(string text)
    {
        Assert.True(SpinWait.SpinUntil(() => Port.TakesOutput, TimeSpan.FromSeconds(30)));
        Port.Put(Encoding.Latin1.GetBytes(text));
    }

    // A guest waits where there is no room; this one answers where it is asked, so there has to be some.
    protected void Empty()
    {
        byte[] bytes = new byte[1 << 20];
        Port.Moved = null;
        while (Port.Read(bytes) > 0)
        {
        }

        Port.Moved = Hear;
    }

    protected void Flood(string text, CancellationToken enough)
    {
        while (!enough.IsCancellationRequested)
        {
            if (Port.TakesOutput)
            {
                Put(text);
            }
        }
    }
}
