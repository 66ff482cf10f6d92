using System.Buffers;
using System.Diagnostics;
using System.Text.Json;

namespace PsVm.Machine.Agents;

/// <summary>
/// Runs commands by an agent: as QEMU's does it, or by the requests of ours, with which a short command takes one round trip.
/// </summary>
internal static class AgentCommand
{
    // For so long an answer may wait for a command's end; others that ask the same agent wait meanwhile.
    private const int Wait = 100;

    private static readonly TimeSpan s_shortestPause = TimeSpan.FromMilliseconds(1), s_longestPause = TimeSpan.FromMilliseconds(50);

    /// <summary>Runs a command by our agent.</summary>
    /// <returns>Null: the agent is another, and knows nothing of such requests.</returns>
    public static async Task<GuestCommandResult?> RunQuicklyAsync(
        GuestAgent agent, GuestCommand command, Action<GuestCommandOutput>? progress, CancellationToken cancellation)
    {
        Output result = new(progress);
        if (await agent.TryAskAsync(
            "psvm-exec", writer => Write(writer, command, Wait), cancellation).ConfigureAwait(false) is not { } answer)
        {
            return null;
        }

        long pid = AgentNumbers.Of(agent, answer, "pid");
        try
        {
            while (!result.Take(agent, answer))
            {
                answer = await agent.AskAsync("psvm-exec-status", ToTell, cancellation).ConfigureAwait(false);
            }
        }
        catch
        {
            await agent.EndAsync("psvm-exec-kill", writer => writer.WriteNumber("pid", pid)).ConfigureAwait(false);
            throw;
        }

        return result.ToResult();

        void ToTell(Utf8JsonWriter writer)
        {
            writer.WriteNumber("pid", pid);
            writer.WriteNumber("wait", Wait);
        }
    }

    /// <summary>Runs a command by any agent.</summary>
    public static async Task<GuestCommandResult> RunAsync(
        GuestAgent agent, GuestCommand command, Action<GuestCommandOutput>? progress, CancellationToken cancellation)
    {
        Output result = new(progress);
        JsonElement answer = await agent.AskAsync("guest-exec", writer => Write(writer, command, null), cancellation).ConfigureAwait(false);
        long pid = AgentNumbers.Of(agent, answer, "pid");
        try
        {
            TimeSpan pause = s_shortestPause;
            while (true)
            {
                answer = await agent.AskAsync("guest-exec-status", writer => writer.WriteNumber("pid", pid), cancellation)
                    .ConfigureAwait(false);
                if (result.Take(agent, answer))
                {
                    return result.ToResult();
                }

                await Task.Delay(pause, cancellation).ConfigureAwait(false);
                pause = pause * 2 < s_longestPause ? pause * 2 : s_longestPause;
            }
        }
        catch
        {
            await agent.EndAsync("guest-exec", writer => Write(writer, new GuestCommand("kill") { Arguments = ["-KILL", $"{pid}"] }, null))
                .ConfigureAwait(false);
            throw;
        }
    }

    private static void Write(Utf8JsonWriter writer, GuestCommand command, int? wait)
    {
        writer.WriteString("path", command.Path);
        writer.WriteStartArray("arg");
        foreach (string argument in command.Arguments)
        {
            writer.WriteStringValue(argument);
        }

        writer.WriteEndArray();
        writer.WriteBoolean("capture-output", true);
        if (!command.Input.IsEmpty)
        {
            writer.WriteBase64String("input-data", command.Input.Span);
        }

        if (wait is { } milliseconds)
        {
            writer.WriteNumber("wait", milliseconds);
        }
    }

    /// <summary>What a command has written so far, and its end.</summary>
    private sealed class Output(Action<GuestCommandOutput>? progress)
    {
        private readonly ArrayBufferWriter<byte> _out = new(), _err = new();
        private readonly long _began = Stopwatch.GetTimestamp();
        private int? _exitCode, _signal;
        private bool _isTruncated;

        /// <summary>Takes an answer about the command.</summary>
        /// <returns>It has ended.</returns>
        public bool Take(GuestAgent agent, JsonElement answer)
        {
            if (answer.ValueKind != JsonValueKind.Object || !answer.TryGetProperty("exited", out JsonElement exited)
                || exited.ValueKind is not (JsonValueKind.True or JsonValueKind.False))
            {
                throw agent.Garbled("an object with 'exited'", answer);
            }

            Add(agent, answer, "out-data", isError: false, _out);
            Add(agent, answer, "err-data", isError: true, _err);
            _isTruncated |= IsTrue(answer, "out-truncated") || IsTrue(answer, "err-truncated");
            if (exited.ValueKind == JsonValueKind.False)
            {
                return false;
            }

            _signal = answer.TryGetProperty("signal", out _)
                ? (int)Math.Clamp(AgentNumbers.Of(agent, answer, "signal"), 0, int.MaxValue)
                : null;
            _exitCode = _signal is null ? (int)Math.Clamp(AgentNumbers.Of(agent, answer, "exitcode"), int.MinValue, int.MaxValue) : null;
            return true;
        }

        public GuestCommandResult ToResult() => new GuestCommandResult
        {
            Guest = string.Empty,
            ExitCode = _exitCode,
            Signal = _signal,
            Truncated = _isTruncated,
            Duration = Stopwatch.GetElapsedTime(_began),
        }.WithOutput(_out.WrittenSpan.ToArray(), _err.WrittenSpan.ToArray());

        private static bool IsTrue(JsonElement answer, string name) =>
            answer.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.True;

        private void Add(GuestAgent agent, JsonElement answer, string name, bool isError, ArrayBufferWriter<byte> to)
        {
            if (!answer.TryGetProperty(name, out JsonElement data))
            {
                return;
            }

            if (data.ValueKind != JsonValueKind.String || !data.TryGetBytesFromBase64(out byte[]? bytes))
            {
                throw agent.Garbled($"'{name}' in base64", data);
            }

            progress?.Invoke(new GuestCommandOutput(isError, bytes));
            int kept = progress is not null ? 0 : Math.Min(bytes.Length, GuestCommand.MostOutput - to.WrittenCount);
            _isTruncated |= progress is null && kept < bytes.Length;
            to.Write(bytes.AsSpan(0, kept));
        }
    }
}
