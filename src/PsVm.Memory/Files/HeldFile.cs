namespace PsVm.Memory.Files;

/// <summary>An open file, one descriptor for all who hold it. Safe to use from several threads.</summary>
/// <remarks>Whoever opens it holds it; it is closed when the last holder has released it.</remarks>
public abstract class HeldFile
{
    private readonly Lock _gate = new();
    private int _holders = 1;

    /// <summary>Which file it is, as it is now; null: it cannot be looked at.</summary>
    public abstract FileIdentity? Identity { get; }

    /// <summary>Holds it too, unless it is closed.</summary>
    public bool TryHold()
    {
        lock (_gate)
        {
            _holders += _holders > 0 ? 1 : 0;
            return _holders > 0;
        }
    }

    /// <summary>Holds it no more.</summary>
    public void Release()
    {
        lock (_gate)
        {
            if (--_holders == 0)
            {
                Close();
            }
        }
    }

    /// <summary>Closes the file.</summary>
    protected abstract void Close();

    /// <summary>Whether it is open and something holds of it, during which it is not closed.</summary>
    protected bool IsOpenAnd(Func<bool> condition)
    {
        ArgumentNullException.ThrowIfNull(condition);
        lock (_gate)
        {
            return _holders > 0 && condition();
        }
    }
}
