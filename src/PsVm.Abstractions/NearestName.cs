namespace PsVm;

/// <summary>Finds the name that somebody most likely meant.</summary>
public static class NearestName
{
    private const int MostCompared = 10_000;

    /// <summary>A sentence for an error, such as <c>Did you mean 'web-1'?</c>; empty when no name is near.</summary>
    /// <param name="wanted">What was given.</param>
    /// <param name="names">The names that there are.</param>
    public static string Hint(string wanted, IEnumerable<string> names) =>
        Find(wanted, names) is { } near ? $" Did you mean '{near}'?" : string.Empty;

    /// <summary>The nearest name, case apart: one that begins with what was given, or else differs in few characters.</summary>
    /// <param name="wanted">What was given.</param>
    /// <param name="names">The names that there are; the first 10,000 count.</param>
    /// <returns>
    /// Null when none is near: when more than a third of the characters, and more than one, would have to change, or all.
    /// </returns>
    public static string? Find(string wanted, IEnumerable<string> names)
    {
        ArgumentNullException.ThrowIfNull(wanted);
        ArgumentNullException.ThrowIfNull(names);
        string? best = null;
        int least = int.MaxValue;
        foreach (string name in names.Take(MostCompared))
        {
            int most = Math.Min(Math.Max(1, Math.Max(wanted.Length, name.Length) / 3), wanted.Length - 1);
            int distance = wanted.Length > 1 && name.StartsWith(wanted, StringComparison.OrdinalIgnoreCase)
                ? 1
                : Distance(wanted, name, most);
            if (distance <= most && distance < least)
            {
                (best, least) = (name, distance);
            }
        }

        return best;
    }

    /// <summary>Characters to insert, delete, replace or swap with their neighbour, case apart (optimal string alignment).</summary>
    private static int Distance(string left, string right, int most)
    {
        if (Math.Abs(left.Length - right.Length) > most)
        {
            return int.MaxValue;
        }

        int[,] cost = new int[left.Length + 1, right.Length + 1];
        for (int i = 0; i <= left.Length; i++)
        {
            cost[i, 0] = i;
        }

        for (int j = 0; j <= right.Length; j++)
        {
            cost[0, j] = j;
        }

        for (int i = 1; i <= left.Length; i++)
        {
            for (int j = 1; j <= right.Length; j++)
            {
                int change = Same(left[i - 1], right[j - 1]) ? 0 : 1;
                cost[i, j] = Math.Min(Math.Min(cost[i - 1, j], cost[i, j - 1]) + 1, cost[i - 1, j - 1] + change);
                if (i > 1 && j > 1 && Same(left[i - 1], right[j - 2]) && Same(left[i - 2], right[j - 1]))
                {
                    cost[i, j] = Math.Min(cost[i, j], cost[i - 2, j - 2] + 1);
                }
            }
        }

        return cost[left.Length, right.Length];
    }

    private static bool Same(char left, char right) => char.ToUpperInvariant(left) == char.ToUpperInvariant(right);
}
