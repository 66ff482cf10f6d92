namespace PsVm.Fuzz;

/// <summary>What should not have happened.</summary>
/// <param name="Target">The target.</param>
/// <param name="Seed">The seed.</param>
/// <param name="Case">The case; -1: while the target was set up.</param>
/// <param name="Kind">crash, hang, memory, error or wrong.</param>
/// <param name="What">What happened.</param>
internal sealed record Finding(string Target, int Seed, long Case, string Kind, string What)
{
    private const int MostCharacters = 2_000;

    /// <summary>A line, with the command that repeats it, and nothing in it that a terminal would obey.</summary>
    public override string ToString()
    {
        string what = What.Length > MostCharacters ? What[..MostCharacters] + "..." : What;
        what = string.Concat(what.Select(one => char.IsControl(one) && one != '\n' ? $"\\x{(int)one:x2}" : $"{one}"));
        return $"{Kind} in --target {Target} --seed {Seed} --case {Case}: {what}";
    }
}

/// <summary>Something that must hold does not.</summary>
internal sealed class WrongException(string what) : Exception(what)
{
    /// <exception cref="WrongException">The condition does not hold.</exception>
    public static void ThrowIfNot(bool condition, string what)
    {
        if (!condition)
        {
            throw new WrongException(what);
        }
    }
}
