namespace PsVm.Riscv.Translation.Cache;

/// <summary>
/// A page of code and those around it, as one hart has them: by how many pages further they are. A loop may lie in several of them; those
/// of another guest, or of another time, are looked at where it is entered. Guarded by the space of the pages.
/// </summary>
/// <param name="first">The page.</param>
/// <param name="find">Gives another one as the hart knows it, on its thread; null: a loop is to lie in the page alone, without
/// calls.</param>
internal sealed class PagesAround(CodePage first, Func<int, CodePage?>? find)
{
    private const int Most = 8;

    private readonly Dictionary<int, CodePage> _pages = new() { [0] = first };
    private Func<int, CodePage?>? _find = find;

    /// <summary>Whether a loop may lie in several pages, and have calls inside.</summary>
    public bool IsWide { get; } = find is not null;

    /// <summary>A page; null: the hart does not know it, or it leaves.</summary>
    /// <remarks>A page of code that is there twice is found once, so that an operation of a loop has one place.</remarks>
    public CodePage? this[int distance]
    {
        get
        {
            if (!_pages.TryGetValue(distance, out CodePage? page) && _pages.Count < Most && _find?.Invoke(distance) is { } found
                && !_pages.ContainsValue(found))
            {
                _pages.Add(distance, page = found);
            }

            return page is { IsLeaving: false } ? page : null;
        }
    }

    /// <summary>The page alone: an instruction that goes on in the next one is in no loop of it.</summary>
    public PagesAround Alone => IsWide ? new PagesAround(_pages[0], null) : this;

    /// <summary>From now on it knows no more than it was asked for.</summary>
    public void Close() => _find = null;
}
