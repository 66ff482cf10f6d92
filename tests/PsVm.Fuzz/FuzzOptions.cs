using System.Globalization;

namespace PsVm.Fuzz;

/// <summary>What is to be run.</summary>
internal sealed record FuzzOptions
{
    public const string Usage = """
        [--target NAME] [--cases N] [--seed S]  cases of one target, or N over all targets by their shares
        --target NAME --seed S --case K         a case alone
        """;

    /// <summary>The target's name; null: all.</summary>
    public string? Target { get; init; }

    /// <summary>The first case.</summary>
    public int First { get; init; }

    /// <summary>How many cases.</summary>
    public int Cases { get; init; } = 1_000_000;

    /// <summary>What all random numbers follow from, together with the case's number.</summary>
    public int Seed { get; init; } = 1;

    /// <summary>The file in which a worker writes down what it is doing.</summary>
    public string? Beacon { get; init; }

    /// <exception cref="ArgumentException">There is no such option, or its value is none.</exception>
    public static FuzzOptions Parse(IReadOnlyList<string> words)
    {
        FuzzOptions options = new();
        for (int i = 0; i < words.Count; i += 2)
        {
            string name = words[i];
            string value = i + 1 < words.Count ? words[i + 1] : throw new ArgumentException($"Expected a value after {name}.");
            options = name switch
            {
                "--target" => options with { Target = value },
                "--seed" => options with { Seed = Number(name, value) },
                "--first" => options with { First = Number(name, value) },
                "--cases" => options with { Cases = Number(name, value) },
                "--case" => options with { First = Number(name, value), Cases = 1 },
                "--beacon" => options with { Beacon = value },
                _ => throw new ArgumentException($"There is no option {name}."),
            };
        }

        return options;
    }

    private static int Number(string name, string value) =>
        int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int number)
            ? number
            : throw new ArgumentException($"Expected a number from 0 to {int.MaxValue} after {name}, found '{value}'.");
}
