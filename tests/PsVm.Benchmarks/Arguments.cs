using System.Globalization;

namespace PsVm.Benchmarks;

/// <summary>Options of a command, <c>--name value</c> or <c>--switch</c>; <see cref="Done"/> refuses those that nobody asked for.</summary>
internal sealed class Arguments
{
    private readonly Dictionary<string, string?> _values = [];

    /// <exception cref="ArgumentException">Something that is no option, or an option twice.</exception>
    public Arguments(IReadOnlyList<string> words)
    {
        for (int i = 0; i < words.Count; i++)
        {
            string name = words[i];
            if (!name.StartsWith('-'))
            {
                throw new ArgumentException($"Expected an option, found '{name}'.");
            }

            string? value = i + 1 < words.Count && !words[i + 1].StartsWith('-') ? words[++i] : null;
            if (!_values.TryAdd(name, value))
            {
                throw new ArgumentException($"Expected {name} once, found it twice.");
            }
        }
    }

    /// <summary>Whether an option was given that nobody has asked for yet.</summary>
    public bool Has(string name) => _values.ContainsKey(name);

    /// <summary>An option's value.</summary>
    /// <exception cref="ArgumentException">It is missing.</exception>
    public string Text(string name) => TextOrNull(name) ?? throw new ArgumentException($"Expected {name} VALUE, found none.");

    /// <summary>An option's value; null when it was not given.</summary>
    /// <exception cref="ArgumentException">It has no value.</exception>
    public string? TextOrNull(string name) => !_values.Remove(name, out string? value) ? null
        : value ?? throw new ArgumentException($"Expected a value after {name}, found none.");

    /// <summary>An option's value as a number from 1 on.</summary>
    /// <exception cref="ArgumentException">It is no such number.</exception>
    public int Number(string name, int otherwise)
    {
        if (TextOrNull(name) is not { } text)
        {
            return otherwise;
        }

        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number > 0
            ? number
            : throw new ArgumentException($"Expected a number from 1 on after {name}, found '{text}'.");
    }

    /// <summary>An option's value as a number from 0 on.</summary>
    /// <exception cref="ArgumentException">It is no such number.</exception>
    public int Count(string name, int otherwise) => TextOrNull(name) switch
    {
        null => otherwise,
        { } text when int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int number) => number,
        { } text => throw new ArgumentException($"Expected a number after {name}, found '{text}'."),
    };

    /// <summary>Whether a switch was given.</summary>
    /// <exception cref="ArgumentException">It has a value.</exception>
    public bool Switch(string name) => _values.Remove(name, out string? value)
        && (value is null ? true : throw new ArgumentException($"Expected no value after {name}, found '{value}'."));

    /// <summary>Says that all options have been asked for.</summary>
    /// <exception cref="ArgumentException">There are others.</exception>
    public void Done()
    {
        if (_values.Count > 0)
        {
            throw new ArgumentException($"There is no option {_values.Keys.First()}.");
        }
    }
}
