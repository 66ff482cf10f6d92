namespace PsVm.Riscv.Translation.Cache;

/// <summary>
/// Loops whose worth is still to be seen. One with calls inside, or over several pages, may be left at each of its rounds, by a way that
/// the search could not tell from others: it is given up when it is entered too often. Guarded by the space, but for <see cref="Any"/>.
/// </summary>
/// <param name="most">How often one may be entered in one slice.</param>
/// <param name="host">What made them.</param>
internal sealed unsafe class WatchedLoops(int most, HostBackEnd host)
{
    // So many at once, the latest, and for so many slices in which they are entered.
    private const int MostAtOnce = 64, Slices = 64;

    private readonly List<Watched> _loops = [];
    private volatile bool _any;

    /// <summary>Whether there are some. Safe from any thread.</summary>
    public bool Any => _any;

    /// <summary>Loops that were given up.</summary>
    public long GivenUp { get; private set; }

    /// <summary>Watches a loop.</summary>
    /// <param name="page">Its first page, which its code is of.</param>
    /// <param name="header">The block at which it is entered.</param>
    /// <param name="block">That block's own code, as it runs.</param>
    /// <param name="single">The same, as a place.</param>
    /// <param name="entry">Where the loop is entered, as a place.</param>
    public void Add(CodePage page, BlockHeader* header, byte* block, byte* single, byte* entry)
    {
        if (_loops.Count == MostAtOnce)
        {
            _loops.RemoveAt(0);
        }

        _loops.Add(new Watched(page, (nint)header, (nint)block, (nint)single, (nint)entry));
        _any = true;
    }

    /// <summary>A slice is over: gives up what was entered too often in it.</summary>
    public void Look()
    {
        _loops.RemoveAll(IsDone);
        _any = _loops.Count > 0;
    }

    private bool IsDone(Watched loop)
    {
        if (loop.Page.IsLeaving)
        {
            return true; // and what it points to may be free
        }

        var header = (BlockHeader*)loop.Header;
        int entries = header->Entries;
        if (entries == 0)
        {
            return false;
        }

        header->Entries = 0;
        if (entries <= most)
        {
            return ++loop.Seen == Slices;
        }

        host.Undo((byte*)loop.Single, (byte*)loop.Entry);
        Volatile.Write(ref *(nint*)&header->Code, loop.Block);
        GivenUp++;
        return true;
    }

    /// <summary>A loop, and in how many slices it was entered.</summary>
    private sealed class Watched(CodePage page, nint header, nint block, nint single, nint entry)
    {
        public CodePage Page => page;

        public nint Header => header;

        public nint Block => block;

        public nint Single => single;

        public nint Entry => entry;

        public int Seen { get; set; }
    }
}
