namespace PsVm.Riscv.Csr;

/// <summary>A counter of retired instructions that can be written and inhibited.</summary>
internal sealed class RetiredCounter
{
    private ulong _offset, _frozen;
    private bool _inhibited;

    /// <summary>Its value.</summary>
    /// <param name="retired">Instructions that the hart has retired; so below.</param>
    public ulong Read(ulong retired) => _inhibited ? _frozen : retired + _offset;

    /// <summary>Has it another value.</summary>
    public void Write(ulong value, ulong retired)
    {
        _frozen = value;
        _offset = value - retired;
    }

    /// <summary>Stops it, or lets it go on from where it stopped.</summary>
    public void SetInhibited(bool inhibited, ulong retired)
    {
        if (inhibited != _inhibited)
        {
            ulong value = Read(retired);
            _inhibited = inhibited;
            Write(value, retired);
        }
    }
}
