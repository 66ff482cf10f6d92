using System.Text.Json;
using System.Text.Json.Serialization;

namespace PsVm.Benchmarks;

/// <summary>What one run showed; as JSON, what qemu.py prints of a run, and our instruction counts.</summary>
internal sealed record BootResult
{
    /// <summary>Seconds until the text was on the console; null: it never was.</summary>
    [JsonPropertyName("until_s")]
    public double? UntilSeconds { get; init; }

    /// <summary>Seconds until the guest had powered off.</summary>
    [JsonPropertyName("exit_s")]
    public double ExitSeconds { get; init; }

    /// <summary>The console's lines that start with <c>B </c>.</summary>
    [JsonPropertyName("bench")]
    public IReadOnlyList<string> Bench { get; init; } = [];

    /// <summary>Instructions that all harts retired; null in a peer's run.</summary>
    [JsonPropertyName("instructions")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public long? Instructions { get; init; }

    /// <summary>Instructions per second of host CPU time of the harts; null in a peer's run.</summary>
    [JsonPropertyName("instructions_per_s")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public long? InstructionsPerSecond { get; init; }

    /// <summary>Reads a line of JSON.</summary>
    /// <exception cref="BenchmarkException">It is none.</exception>
    public static BootResult Parse(string? line)
    {
        try
        {
            return JsonSerializer.Deserialize<BootResult>(line ?? "") ?? throw new BenchmarkException("Expected a run, found null.");
        }
        catch (JsonException error)
        {
            throw new BenchmarkException($"Expected a run as a line of JSON, found '{line}': {error.Message}");
        }
    }

    /// <summary>One line of JSON.</summary>
    public override string ToString() => JsonSerializer.Serialize(this);
}
