using System.Buffers;
using System.Text.Json;

namespace PsVm.Module.Hosting.Logs;

/// <summary>One line of a log: something that happened, or that a cmdlet said.</summary>
/// <param name="Time">When.</param>
/// <param name="Level">Debug, Information, Warning or Error.</param>
/// <param name="Category">Who says it: a cmdlet, or PsVm.Guest for what happens to guests.</param>
/// <param name="Event">Stable id of its kind; null: it has none.</param>
/// <param name="Message">What happened, for people.</param>
internal sealed record LogLine(DateTimeOffset Time, string Level, string Category, string? Event, string Message)
{
    /// <summary>The guest that it is about; null: none.</summary>
    public GuestReference? Guest { get; init; }

    /// <summary>What there is to know of it by name: texts, whole numbers, and nulls, which are left out.</summary>
    public IReadOnlyDictionary<string, object?> Values { get; init; } = new Dictionary<string, object?>();

    /// <summary>What happened to a guest.</summary>
    public static LogLine Of(HostEvent happened) => new(happened.Time, $"{happened.Level}", "PsVm.Guest", happened.Id, happened.Message)
    {
        Guest = happened.Guest,
        Values = happened.Values.ToDictionary(value => value.Key, value => (object?)value.Value),
    };

    /// <summary>An error of a cmdlet.</summary>
    public static LogLine Of(string cmdlet, PsVmException error) =>
        new(DateTimeOffset.UtcNow, "Error", cmdlet, error.ErrorId, error.Message)
    {
        Values = new Dictionary<string, object?>
        {
            ["target"] = error.Target,
            ["category"] = $"{error.Error.Category}",
            ["recommendedAction"] = error.RecommendedAction,
        },
    };

    /// <summary>The line as one JSON object (RFC 8259) with a line feed after it; all but ASCII that is seen is escaped.</summary>
    public ReadOnlySpan<byte> ToJson()
    {
        ArrayBufferWriter<byte> bytes = new();
        using (Utf8JsonWriter json = new(bytes))
        {
            json.WriteStartObject();
            json.WriteString("time", Time.UtcDateTime);
            json.WriteString("level", Level);
            json.WriteString("category", Category);
            Write(json, "event", Event);
            json.WriteString("message", Whole(Message));
            Write(json, "guest", Guest?.Name);
            Write(json, "guestId", Guest?.Id?.ToString());
            if (Values.Values.Any(value => value is not null))
            {
                json.WriteStartObject("values");
                foreach ((string name, object? value) in Values)
                {
                    Write(json, name, value);
                }

                json.WriteEndObject();
            }

            json.WriteEndObject();
        }

        bytes.Write("\n"u8);
        return bytes.WrittenSpan;
    }

    private static void Write(Utf8JsonWriter json, string name, object? value)
    {
        switch (value)
        {
            case null:
                break;
            case int or long:
                json.WriteNumber(name, Convert.ToInt64(value, null));
                break;
            default:
                json.WriteString(name, Whole($"{value}"));
                break;
        }
    }

    // Half of a surrogate pair, of which JSON makes an error, is shown as its code.
    private static string Whole(string text) => VisibleText.Of(text);
}
