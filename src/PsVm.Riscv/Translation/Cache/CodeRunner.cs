using PsVm.Riscv.Memory;

namespace PsVm.Riscv.Translation.Cache;

/// <summary>Runs translated code. Safe from any thread, each with its hart.</summary>
/// <param name="host">What made it.</param>
internal sealed unsafe class CodeRunner(HostBackEnd host)
{
    private const int HostFlagValues = 64;

    private readonly delegate* unmanaged<HartState*, byte*, void> _enter = host.Enter;
    private readonly byte[] _floatFlags = host.FloatFlags;

    /// <summary>Runs translated code until it leaves; pc and the count of retired instructions are right then.</summary>
    public void Run(HartState* state, BlockHeader* block, ulong pc)
    {
        byte* code = (byte*)Volatile.Read(ref *(nint*)&block->Code);
        state->PageBase = pc & ~(PhysicalMemory.PageSize - 1);
        _enter(state, code);
    }

    /// <summary>Brings the exceptions of the host's floating point unit into fflags.</summary>
    public void FoldHostFlags(HartState* state)
    {
        // Beside them are what MXCSR masks, also where nothing was raised.
        uint host = state->HostFlags;
        if (host != 0)
        {
            state->HostFlags = 0;
            state->FloatFlags |= _floatFlags[host & (HostFlagValues - 1)];
        }
    }
}
