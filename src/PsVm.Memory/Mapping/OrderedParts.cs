namespace PsVm.Memory.Mapping;

/// <summary>Searches in parts of a block of RAM that lie in the order of their starts and leave nothing out.</summary>
internal static class OrderedParts
{
    /// <summary>The part that a position is in.</summary>
    /// <param name="parts">The parts; at least one.</param>
    /// <param name="position">The position; one before all parts is in the first.</param>
    /// <param name="start">Where a part starts.</param>
    public static int IndexOf<T>(IReadOnlyList<T> parts, long position, Func<T, long> start)
    {
        int low = 0;
        int high = parts.Count - 1;
        while (low < high)
        {
            int middle = (low + high + 1) / 2;
            (low, high) = start(parts[middle]) <= position ? (middle, high) : (low, middle - 1);
        }

        return low;
    }
}
