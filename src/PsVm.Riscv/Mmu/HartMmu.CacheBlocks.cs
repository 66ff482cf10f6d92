using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace PsVm.Riscv.Mmu;

/// <content>Accesses of whole cache blocks: they need no alignment and fail as stores, with the address that the instruction
/// gave.</content>
internal sealed unsafe partial class HartMmu
{
    private const ulong BlockMask = IsaProfile.CacheBlockSize - 1;

    /// <summary>Fills the block around an address with zeros. Devices have no such accesses.</summary>
    /// <remarks>Safety: RAM is whole pages, so a block that begins in a range of it ends there.</remarks>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public bool ZeroBlock(ulong address)
    {
        PrivilegeMode mode = csrs.DataMode;
        if (!Translate(address, Access.Store, mode, out ulong physical))
        {
            return false;
        }

        ulong block = physical & ~BlockMask;
        if (!Pmp.Allows(block, IsaProfile.CacheBlockSize, Access.Store, mode) || memory.Find(block) is not { ReadOnly: false } region)
        {
            return Fail(ExceptionCause.StoreAccessFault, address);
        }

        Debug.Assert(block - region.Base <= region.Length - IsaProfile.CacheBlockSize, "the block is in the range");
        new Span<byte>(region.Host + (block - region.Base), IsaProfile.CacheBlockSize).Clear();
        return true;
    }

    /// <summary>
    /// Whether a load or a store may reach the block around an address. Page tables allow no store where they allow no load, so the
    /// walk is a load's: it sets A, and leaves D.
    /// </summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public bool ManageBlock(ulong address)
    {
        PrivilegeMode mode = csrs.DataMode;
        if (!Translate(address, Access.Load, mode, out ulong physical))
        {
            return Fail(
                state->TrapCause switch
                {
                    ExceptionCause.LoadPageFault => ExceptionCause.StorePageFault,
                    ExceptionCause.PageAwaited => ExceptionCause.PageAwaited,
                    _ => ExceptionCause.StoreAccessFault,
                },
                address);
        }

        ulong block = physical & ~BlockMask;
        bool allowed = Pmp.Allows(block, IsaProfile.CacheBlockSize, Access.Load, mode)
            || Pmp.Allows(block, IsaProfile.CacheBlockSize, Access.Store, mode);
        return (allowed && (memory.Find(block) is not null || bus.HasDevice(physical))) || Fail(ExceptionCause.StoreAccessFault, address);
    }
}
