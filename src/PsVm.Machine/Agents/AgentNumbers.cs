using System.Text.Json;

namespace PsVm.Machine.Agents;

/// <summary>Reads numbers of what an agent answers: whole ones that a long can hold, and nothing else.</summary>
internal static class AgentNumbers
{
    /// <summary>Whether an answer is a number.</summary>
    public static bool TryRead(JsonElement value, out long number)
    {
        number = 0;
        return value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out number);
    }

    /// <summary>Whether an answer has a number of that name.</summary>
    public static bool TryRead(JsonElement answer, string name, out long number)
    {
        number = 0;
        return answer.ValueKind == JsonValueKind.Object && answer.TryGetProperty(name, out JsonElement value) && TryRead(value, out number);
    }

    /// <summary>An answer that is to be a number.</summary>
    /// <exception cref="GuestException">It is none (<see cref="GuestErrorIds.GuestAgentGarbled"/>).</exception>
    public static long Of(GuestAgent agent, JsonElement answer) =>
        TryRead(answer, out long number) ? number : throw agent.Garbled("a number", answer);

    /// <summary>The number of that name, which an answer is to have between two bounds.</summary>
    /// <exception cref="GuestException">It has none (<see cref="GuestErrorIds.GuestAgentGarbled"/>).</exception>
    public static long Of(GuestAgent agent, JsonElement answer, string name, long least = long.MinValue, long most = long.MaxValue) =>
        TryRead(answer, name, out long number) && number >= least && number <= most
            ? number
            : throw agent.Garbled(
                least == long.MinValue ? $"an object with a number '{name}'" : $"an object with a number '{name}' of {least} to {most}",
                answer);
}
