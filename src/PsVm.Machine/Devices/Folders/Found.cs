using PsVm.Memory.Native;

namespace PsVm.Machine.Devices.Folders;

/// <summary>An object that a request has found, until that is answered.</summary>
internal ref struct Found
{
    private FidTable? _table;
    private Fid? _fid;
    private bool _isOwned;

    /// <summary>Its descriptor; what can be done with that follows from how it was found.</summary>
    public int Descriptor { get; private set; }

    /// <summary>What it is.</summary>
    public FileStatus Status { get; private set; }

    /// <summary>Takes a descriptor, which is closed with this.</summary>
    /// <returns>errno; 0: it is there.</returns>
    public int Own(int descriptor)
    {
        if (descriptor < 0)
        {
            return -descriptor;
        }

        (Descriptor, _isOwned) = (descriptor, true);
        return Look();
    }

    /// <summary>Takes the descriptor of an open fid, which is released with this where a table is given.</summary>
    /// <returns>errno; 0: it is there.</returns>
    public int Borrow(Fid fid, FidTable? table)
    {
        (Descriptor, _fid, _table) = (fid.Descriptor, fid, table);
        return Look();
    }

    /// <summary>Closes, or releases, it; it can be used again.</summary>
    public void Dispose()
    {
        if (_isOwned)
        {
            BeneathCalls.Close(Descriptor);
        }

        _table?.Release(_fid!);
        (_isOwned, _table, _fid) = (false, null, null);
    }

    private int Look()
    {
        int answer = BeneathCalls.GetStatus(Descriptor, out FileStatus status);
        Status = status;
        return -answer;
    }
}
