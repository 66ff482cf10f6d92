using PsVm.Riscv.Csr;
using PsVm.Riscv.Decoding;
using PsVm.Riscv.Mmu;

namespace PsVm.Riscv.Interpreter;

/// <summary>
/// Zicbom and Zicboz. All that reaches RAM sees the same bytes at once, so management of cache blocks is checked and does nothing; one that
/// invalidates loses nothing, as a flush would not (unprivileged manual, chapter "CMO").
/// </summary>
/// <remarks>Safety: decoded register numbers are within the state's arrays; memory is reached through the MMU alone.</remarks>
internal static unsafe class CacheBlockInterpreter
{
    /// <summary>CBO.ZERO.</summary>
    public static AccessResult Zero(Hart hart, Op* op)
    {
        HartState* state = hart.State;
        if (state->Context.MayZeroBlocks == 0)
        {
            return AccessResult.Illegal;
        }

        return hart.Mmu.ZeroBlock(state->X[op->Rs1]) ? AccessResult.Done : AccessResult.Fault;
    }

    /// <summary>CBO.INVAL, CBO.CLEAN, CBO.FLUSH.</summary>
    public static AccessResult Manage(Hart hart, Op* op)
    {
        CsrFile csrs = hart.Csrs;
        if (!(op->Code == OpCode.CboInval ? csrs.MayInvalidateBlocks : csrs.MayCleanBlocks))
        {
            return AccessResult.Illegal;
        }

        return hart.Mmu.ManageBlock(hart.State->X[op->Rs1]) ? AccessResult.Done : AccessResult.Fault;
    }
}
