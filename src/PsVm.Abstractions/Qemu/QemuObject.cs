using System.Globalization;
using System.Text;
using System.Text.Json;

namespace PsVm;

/// <summary>What stands behind <c>-object</c>, taken apart: type, id, and properties whose values are read as QEMU reads them.</summary>
/// <remarks>
/// Source: QEMU's documentation of <c>-object</c>, its QemuOpts (<c>util/qemu-option.c</c>: doubled commas, the implied key
/// <c>qom-type</c>, flags without a value; the first <c>id</c> counts, of other keys the last, and all of a list), size suffixes
/// (<c>util/cutils.c</c>), and what 10.0 does.
/// </remarks>
internal sealed class QemuObject
{
    private const string TypeKey = "qom-type";
    private const string Suffixes = "BKMGTPE";

    // Values of the two forms: text, or JSON.
    private readonly OrderedDictionary<string, List<object>> _properties = new(StringComparer.Ordinal);

    private QemuObject()
    {
    }

    public string Type { get; private set; } = string.Empty;

    public string? Id { get; private set; }

    public IEnumerable<string> Names => _properties.Keys;

    /// <summary>Takes a text apart, in either form.</summary>
    /// <exception cref="MemoryBackendException">It is in neither (QemuValueInvalid).</exception>
    public static QemuObject Parse(string text)
    {
        QemuObject parsed = text.StartsWith('{') ? OfJson(text) : OfText(text);
        parsed.Type = parsed.Take(TypeKey) is string type ? type : throw Invalid(text, "a type such as memory-backend-file", "none");
        return parsed;
    }

    /// <summary>Keys and values of an option's text. A flag alone is <c>on</c>, or <c>off</c> when it begins with <c>no</c>.</summary>
    public static IEnumerable<(string Key, string Value)> Pairs(string text, string impliedKey)
    {
        int at = 0;
        for (bool isFirst = true; at < text.Length; isFirst = false)
        {
            int end = text.AsSpan(at).IndexOfAny('=', ',');
            bool hasKey = end >= 0 && text[at + end] == '=';
            string key = hasKey ? text.Substring(at, end) : string.Empty;
            at += hasKey ? end + 1 : 0;
            string value = Value(text, ref at);
            if (hasKey || isFirst)
            {
                yield return (hasKey ? key : impliedKey, value);
            }
            else if (value.Length > 0)
            {
                yield return value.StartsWith("no", StringComparison.Ordinal) ? (value[2..], "off") : (value, "on");
            }
        }
    }

    public bool Has(string name) => _properties.ContainsKey(name);

    public string Text(string name) => Last(name) switch
    {
        string text => text,
        JsonText json => json.Text,
        object other => throw Invalid(name, "a string", other),
    };

    public bool OnOff(string name, bool ifMissing) => !Has(name) ? ifMissing : Last(name) switch
    {
        "on" or "yes" or "true" or "y" => true,
        "off" or "no" or "false" or "n" => false,
        JsonElement { ValueKind: JsonValueKind.True } => true,
        JsonElement { ValueKind: JsonValueKind.False } => false,
        JsonElement json => throw Invalid(name, "true or false", json),
        object other => throw Invalid(name, "on or off (yes, no, true, false, y, n; small letters)", other),
    };

    public long Size(string name, long ifMissing) => !Has(name) ? ifMissing : Last(name) switch
    {
        string text => ParseSize(text)
            ?? throw Invalid(name, "a size, such as 512M, 1.5G or 0x1000 (k, M, G, T, P, E are powers of 1024)", text),
        JsonElement { ValueKind: JsonValueKind.Number } json when json.TryGetInt64(out long bytes) && bytes >= 0 => bytes,
        object other => throw Invalid(name, "a number of bytes", other),
    };

    public int Number(string name, int least) => ParseNumber(Last(name)) is { } number && number >= (ulong)least && number <= int.MaxValue
        ? (int)number
        : throw Invalid(name, $"a number from {least} on", Last(name));

    /// <summary>Numbers and ranges (<c>0-3</c>), each number once.</summary>
    public IReadOnlyList<int> Numbers(string name, int limit)
    {
        if (!_properties.TryGetValue(name, out List<object>? values))
        {
            return [];
        }

        List<int> numbers = [];
        foreach (object value in values.SelectMany(value => value is JsonElement { ValueKind: JsonValueKind.Array } list
            ? list.EnumerateArray().Select(item => (object)item)
            : [value]))
        {
            string[] ends = value is string text ? text.Split('-') : [];
            ulong? first = ParseNumber(ends.Length == 2 ? ends[0] : value);
            ulong? last = ends.Length == 2 ? ParseNumber(ends[1]) : first;
            if (first is null || last is null || last < first || last >= (ulong)limit)
            {
                throw Invalid(name, $"numbers below {limit}, or ranges such as 0-3", value);
            }

            numbers.AddRange(Enumerable.Range((int)first, (int)(last - first) + 1));
        }

        return [.. numbers.Distinct()];
    }

    /// <summary>One of several words; case counts.</summary>
    public T Word<T>(string name, T ifMissing, params (string Word, T Value)[] words)
    {
        if (!Has(name))
        {
            return ifMissing;
        }

        string found = Text(name);
        foreach ((string word, T value) in words)
        {
            if (word == found)
            {
                return value;
            }
        }

        throw Invalid(name, string.Join(", ", words.Select(word => word.Word)), found);
    }

    /// <summary>Bytes that a text means; null: QEMU takes no such text, or they are more than a long holds.</summary>
    internal static long? ParseSize(string text)
    {
        ReadOnlySpan<char> rest = text.AsSpan().TrimStart(" \t\n\v\f\r");
        rest = rest.StartsWith('+') ? rest[1..] : rest;
        if (rest.StartsWith("0x", StringComparison.OrdinalIgnoreCase))
        {
            bool isHex = long.TryParse(rest[2..], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out long hex);
            return isHex && hex >= 0 ? hex : null;
        }

        int digits = CountDigits(rest);
        ReadOnlySpan<char> whole = rest[..digits], fraction = [];
        rest = rest[digits..];
        if (rest.StartsWith('.'))
        {
            digits = CountDigits(rest[1..]);
            fraction = rest.Slice(1, digits);
            rest = rest[(1 + digits)..];
        }

        int power = rest.Length switch
        {
            0 => 0,
            1 => Suffixes.IndexOf(char.ToUpperInvariant(rest[0]), StringComparison.Ordinal),
            _ => -1,
        };
        if (power < 0 || (whole.Length == 0 && fraction.Length == 0))
        {
            return null;
        }

        // Half a byte is no size.
        fraction = fraction.TrimEnd('0');
        if (power == 0 && fraction.Length > 0)
        {
            return null;
        }

        UInt128 unit = UInt128.One << (10 * power);
        UInt128 bytes = 0;
        foreach (char digit in whole)
        {
            bytes = (bytes * 10) + (UInt128)(digit - '0');
            if (bytes > long.MaxValue)
            {
                return null;
            }
        }

        bytes = (bytes * unit) + Share(fraction, unit);
        return bytes <= long.MaxValue ? (long)bytes : null;
    }

    /// <summary>A fraction of a unit, rounded down; digits beyond the 18th change no byte of a page.</summary>
    private static UInt128 Share(ReadOnlySpan<char> fraction, UInt128 unit)
    {
        UInt128 parts = 0, of = 1;
        foreach (char digit in fraction[..Math.Min(fraction.Length, 18)])
        {
            parts = (parts * 10) + (UInt128)(digit - '0');
            of *= 10;
        }

        return parts * unit / of;
    }

    private static int CountDigits(ReadOnlySpan<char> text)
    {
        int end = text.IndexOfAnyExceptInRange('0', '9');
        return end < 0 ? text.Length : end;
    }

    private static ulong? ParseNumber(object value) => value switch
    {
        JsonElement { ValueKind: JsonValueKind.Number } json when json.TryGetUInt64(out ulong number) => number,
        string text when text.StartsWith("0x", StringComparison.OrdinalIgnoreCase) =>
            ulong.TryParse(text.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ulong hex) ? hex : null,
        string text when ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out ulong number) => number,
        _ => null,
    };

    private static QemuObject OfText(string text)
    {
        QemuObject made = new();
        foreach ((string key, string value) in Pairs(text, TypeKey))
        {
            made.Add(key, value);
        }

        made.Id = made._properties.TryGetValue("id", out List<object>? ids) ? (string)ids[0] : null;
        made._properties.Remove("id");
        return made;
    }

    private static QemuObject OfJson(string text)
    {
        QemuObject made = new();
        try
        {
            using JsonDocument document = JsonDocument.Parse(text, new JsonDocumentOptions { AllowDuplicateProperties = false });
            foreach (JsonProperty property in document.RootElement.EnumerateObject())
            {
                JsonElement value = property.Value.Clone();
                made.Add(property.Name, value.ValueKind == JsonValueKind.String ? new JsonText(value.GetString()!) : value);
            }
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            // The latter: half a surrogate pair is JSON, and no text.
            throw Invalid(text, "JSON", error.Message);
        }

        made.Id = made.Take("id") as string;
        return made;
    }

    private static string Value(string text, ref int at)
    {
        StringBuilder value = new();
        for (; at < text.Length; at++)
        {
            if (text[at] == ',' && !(++at < text.Length && text[at] == ','))
            {
                break;
            }

            value.Append(text[at]);
        }

        return value.ToString();
    }

    private static MemoryBackendException Invalid(string what, string expected, object found) =>
        new(MemoryErrorIds.QemuValueInvalid, $"Expected {expected} for '{what}', found {Found(found)}.", what, null);

    private static string Found(object found) => found switch
    {
        string text => $"'{text}'",
        JsonText json => $"\"{json.Text}\"",
        JsonElement json => json.GetRawText(),
        _ => string.Empty,
    };

    private object Last(string name) => _properties[name][^1];

    private object? Take(string name)
    {
        object? value = Has(name) ? Text(name) : null;
        _properties.Remove(name);
        return value;
    }

    private void Add(string name, object value)
    {
        if (!_properties.TryGetValue(name, out List<object>? values))
        {
            _properties[name] = values = [];
        }

        values.Add(value);
    }

    /// <summary>A string of JSON, which is no size and no flag as the text of the other form is.</summary>
    private sealed record JsonText(string Text);
}
