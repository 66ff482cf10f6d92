using System.Text;
using System.Text.Json;
using PsVm.Machine.Agents;
using PsVm.Machine.Devices;
using PsVm.Riscv.Tests;

namespace PsVm.Fuzz.Targets;

/// <summary>
/// Answers of an agent that mean harm: a request fails with a documented error, or its result is within the bounds; nothing is left of a
/// file that was not copied; and an agent that opens the port anew and answers as it should is understood, whatever was before.
/// </summary>
internal sealed class AgentTarget : FuzzTarget
{
    private const string Name = "guest";

    // Then the guest closes its port: nobody waits for it.
    private const int MostAnswers = 40;

    // What is waited for in vain now and then, beside a case's other work; and what an agent has that answers as it should.
    private static readonly TimeSpan s_patience = TimeSpan.FromMilliseconds(20), s_longPatience = TimeSpan.FromSeconds(4);

    private static readonly string[] s_values =
    [
        "null", "true", "false", "[]", "{}", "[null]", "[{}]", "\"\"", "-1", "0", "1", "48", "49152", "49153", "2147483648",
        "9223372036854775807",
        "18446744073709551616", "1e400", "1.5", "-0", "\"QUJD\"", "\"QUJ\"", "\"\\u0000\"", "\"\\ud800\"", "\"../../etc/passwd\"",
        "\"\\u001b]0;x\\u0007\"",
        "\"CommandNotFound\"", "[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]",
    ];

    private static readonly string[] s_answers =
    [
        """{"return": {}}""",
        """{"return": 5}""",
        """{"return": {"pid": 7}}""",
        """{"return": {"pid": 7, "exited": false, "out-data": "b25l"}}""",
        """{"return": {"pid": 7, "exited": true, "exitcode": 0, "out-data": "b25l", "err-data": "dHdv", "out-truncated": true}}""",
        """{"return": {"exited": true, "signal": 9}}""",
        """{"return": {"exited": true, "exitcode": 0, "out-data": "LgAuL2EAAC4vbAAALi9hL2YAAC4vZwAAAAA="}}""",
        """{"return": {"exited": true, "exitcode": 0, "out-data": "LgAuLy4uL3gAAAAAAAAA"}}""",
        """{"return": {"count": 3, "buf-b64": "QUJD", "eof": false}}""",
        """{"return": {"count": 0, "buf-b64": "", "eof": true}}""",
        """{"return": {"count": 2, "eof": false}}""",
        """{"return": {"version": "9", "supported_commands": [{"name": "psvm-exec", "enabled": true, "success-response": true}]}}""",
        """{"return": [{"name": "eth0", "hardware-address": "52:54:00:00:00:01", "ip-addresses": [{"ip-address": "10.0.2.15", "ip-address-type": "ipv4", "prefix": 24}]}]}""",
        """{"error": {"class": "GenericError", "desc": "no"}}""",
        """{"error": {"class": "CommandNotFound", "desc": "no"}}""",
    ];

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("psvm-fuzz-agents-");
    private readonly byte[] _heard = new byte[ConsolePort.MostInput];
    private ConsolePort _port = new("p");
    private Dice? _dice;
    private int _answers;

    public override void Run(Dice dice)
    {
        _port = new ConsolePort("p") { Moved = Hear };
        GuestAgent agent = new(_port, () => Name) { Patience = s_patience };
        (_dice, _answers) = (dice, 0);
        _port.SetOpen(true);
        Ask(dice, agent);

        // One that is what it should be.
        _dice = null;
        agent.Patience = s_longPatience;
        _port.SetOpen(false);
        _port.SetOpen(true);
        WrongException.ThrowIfNot(
            agent.AnswersAsync(CancellationToken.None).GetAwaiter().GetResult(), "an agent that begins anew is not understood");
        WrongException.ThrowIfNot(agent.State == GuestAgentState.Answers, $"the state of an agent that has answered is {agent.State}");
        _port.Close();
    }

    public override void Dispose() => _folder.Delete(recursive: true);

    private void Ask(Dice dice, GuestAgent agent)
    {
        switch (dice.Next(16))
        {
            case 0 when dice.Next(2) == 0:
                CopyFolder(agent);
                break;
            case 0:
                Copy(agent);
                break;
            case < 5:
                IReadOnlyList<GuestNetworkInterface>? found = null;
                Try(() => found = agent.GetNetworkAsync(CancellationToken.None).GetAwaiter().GetResult());
                WrongException.ThrowIfNot(
                    found is null
                        || found.All(
                            item => item.Name.Length > 0 && item.Addresses.All(address => address.PrefixLength is >= 0 and <= 128)),
                    "an interface or address that there is none of");
                break;
            case < 7:
                agent.SetClockAsync().GetAwaiter().GetResult();
                break;
            case < 15:
                GuestCommandResult? result = null;
                Try(() => result = agent.RunAsync(new GuestCommand("true"), null, CancellationToken.None).GetAwaiter().GetResult());
                WrongException.ThrowIfNot(
                    result is null || (result.ExitCode is null) != (result.Signal is null), "a command that ended both ways, or in none");
                break;
            default:
                agent.AnswersAsync(CancellationToken.None).GetAwaiter().GetResult();
                break;
        }
    }

    private void Copy(GuestAgent agent)
    {
        string path = Path.Combine(_folder.FullName, "file");
        bool isDone =
            Try(() => AgentFiles.CopyFromAsync(agent, Name, "/f", path, 1 << 20, CancellationToken.None).GetAwaiter().GetResult()) is null;
        string[] left = Directory.GetFileSystemEntries(_folder.FullName);
        WrongException.ThrowIfNot(
            isDone ? left is [{ } only] && only == path : left.Length == 0, $"{left.Length} files of a copy, done: {isDone}");
        File.Delete(path);
    }

    /// <summary>A folder beside which nothing is written, and in which no part of a file is left.</summary>
    private void CopyFolder(GuestAgent agent)
    {
        string path = Path.Combine(_folder.FullName, "folder");
        Try(() => new FolderFetching(agent, Name, "/f", path, 1 << 20).RunAsync(CancellationToken.None).GetAwaiter().GetResult());
        string[] left = Directory.GetFileSystemEntries(_folder.FullName);
        WrongException.ThrowIfNot(left.Length == 0 || (left is [{ } only] && only == path), $"{left.Length} files beside a folder");
        if (left.Length > 0)
        {
            WrongException.ThrowIfNot(
                Directory.GetFiles(path, "*.partial", SearchOption.AllDirectories).Length == 0, "a part of a file is left");
            Directory.Delete(path, recursive: true);
        }
    }

    /// <summary>The guest's side: answers each request where it is asked.</summary>
    private void Hear()
    {
        string text = Encoding.Latin1.GetString(_heard, 0, _port.Take(_heard));
        foreach (string line in text.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            using JsonDocument request = JsonDocument.Parse(line.TrimStart('\xff'));
            bool begins = request.RootElement.GetProperty("execute").GetString() == "guest-sync-delimited";
            string right = begins
                ? $"\xff{{\"return\": {request.RootElement.GetProperty("arguments").GetProperty("id").GetInt64()}}}\n"
                : "{\"return\": {}}\n";
            byte[] answer = Encoding.Latin1.GetBytes(right);
            if (_dice is { } dice && (!begins || dice.OneIn(8)))
            {
                answer = Wrong(dice, answer);
            }

            bool isPut = _port.TakesOutput;
            if (isPut)
            {
                _port.Put(answer);
            }

            // Half an answer, or none, is waited for, which takes as long as the host is patient: it comes, but seldom.
            bool isWaitedFor = !isPut || (begins && !answer.AsSpan().EndsWith(Encoding.Latin1.GetBytes(right)))
                || answer is not [.., (byte)'\n']
                || answer.AsSpan().Trim("\r\n\t "u8).IsEmpty;
            if (_dice is { } rest && (++_answers > MostAnswers || (isWaitedFor && !rest.OneIn(50))))
            {
                _port.SetOpen(false);
            }
        }
    }

    private static byte[] Wrong(Dice dice, byte[] right)
    {
        string text = dice.Pick<string>(s_answers);
        if (dice.OneIn(2))
        {
            text = WithOddValue(dice, text);
        }

        byte[] answer = dice.OneIn(6) ? right : Encoding.Latin1.GetBytes($"{text}\n");
        return dice.Next(8) switch
        {
            0 => Odd.Mutate(dice, answer),
            1 => [.. answer, .. answer],
            2 => [.. new byte[dice.Next(1, 5_000)], .. answer],
            3 => [0xff, .. answer],
            _ => answer,
        };
    }

    /// <summary>One of the values, of any of the names, is another one.</summary>
    private static string WithOddValue(Dice dice, string text)
    {
        int[] colons = [.. Enumerable.Range(0, text.Length).Where(at => text[at] == ':' && text[at + 1] == ' ')];
        int start = dice.Pick<int>(colons) + 2;
        int end = start;
        for (int depth = 0; end < text.Length && (depth > 0 || text[end] is not (',' or '}' or ']')); end++)
        {
            depth += text[end] is '{' or '[' ? 1 : text[end] is '}' or ']' ? -1 : 0;
        }

        return text[..start] + dice.Pick<string>(s_values) + text[end..];
    }
}
