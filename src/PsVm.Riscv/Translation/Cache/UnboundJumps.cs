using System.Diagnostics;
using PsVm.Riscv.Memory;

namespace PsVm.Riscv.Translation.Cache;

/// <summary>The direct jumps within a page of code whose targets have no translation yet. Guarded by the page's space.</summary>
internal sealed unsafe class UnboundJumps
{
    private const ulong OffsetMask = PhysicalMemory.PageSize - 1;

    // Each is one word: where the jump ends, and below that the offset it goes to.
    private List<ulong>? _jumps;

    /// <summary>How many there are.</summary>
    public int Count => _jumps?.Count ?? 0;

    /// <summary>Adds one.</summary>
    /// <param name="jumpEnd">Where it ends, as a place.</param>
    /// <param name="target">The offset in the page that it goes to.</param>
    public void Add(byte* jumpEnd, int target)
    {
        Debug.Assert((ulong)target <= OffsetMask && (ulong)jumpEnd >> (64 - PhysicalMemory.PageShift) == 0, "both fit into one word");
        (_jumps ??= []).Add((ulong)jumpEnd << PhysicalMemory.PageShift | (uint)target);
    }

    /// <summary>Takes out those to an offset, and binds them to its translation.</summary>
    public void Bind(int target, byte* code, HostBackEnd host)
    {
        if (_jumps is null)
        {
            return;
        }

        int kept = 0;
        for (int i = 0; i < _jumps.Count; i++)
        {
            ulong jump = _jumps[i];
            if ((jump & OffsetMask) == (uint)target)
            {
                host.Bind((byte*)(jump >> PhysicalMemory.PageShift), code);
            }
            else
            {
                _jumps[kept++] = jump;
            }
        }

        _jumps.RemoveRange(kept, _jumps.Count - kept);
        _jumps = kept == 0 ? null : _jumps;
    }
}
