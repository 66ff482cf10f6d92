using System.Diagnostics;
using PsVm.Riscv.Memory;

namespace PsVm.Riscv.Translation.Cache;

/// <summary>Runs translated code, and binds the jumps within it. Safe from any thread, each with its hart.</summary>
/// <param name="memory">Where the code is.</param>
/// <param name="host">What made it.</param>
/// <param name="pages">Whose code it is.</param>
/// <param name="gate">Guards the pages.</param>
internal sealed unsafe class CodeLinks(CodeMemory memory, HostBackEnd host, CodePages pages, Lock gate)
{
    private const int HostFlagValues = 64;

    private readonly delegate* unmanaged<HartState*, byte*, void> _enter = host.Enter;
    private readonly byte[] _floatFlags = host.FloatFlags;

    /// <summary>Runs translated code until it leaves; pc and the count of retired instructions are right then.</summary>
    /// <remarks>
    /// A direct jump is bound only within one page of code. Guests that share the page share the jump, and where the next page lies each
    /// of them decides with its page table; so every other jump is looked up, by the physical page and the mode. A page of code is freed
    /// as a whole, so a bound jump never outlives its target.
    /// </remarks>
    public void Run(HartState* state, BlockHeader* block, ulong pc)
    {
        byte* code = (byte*)Volatile.Read(ref *(nint*)&block->Code);
        if (state->ChainFrom != 0)
        {
            if (state->ChainPage == (ulong)block->Page)
            {
                AssertWithinPage(block, (byte*)state->ChainFrom, code);

                // Other harts may be running the jump.
                host.Bind(memory.Writable((byte*)state->ChainFrom), memory.Writable(code));
            }

            state->ChainFrom = 0;
        }

        state->PageBase = pc & ~(PhysicalMemory.PageSize - 1);
        _enter(state, code);
    }

    /// <summary>Brings the exceptions of the host's floating point unit into fflags.</summary>
    public void FoldHostFlags(HartState* state)
    {
        uint host = state->HostFlags & (HostFlagValues - 1);
        if (host != 0)
        {
            state->HostFlags = 0;
            state->FloatFlags |= _floatFlags[host];
        }
    }

    [Conditional("DEBUG")]
    private void AssertWithinPage(BlockHeader* block, byte* jumpEnd, byte* target)
    {
        lock (gate)
        {
            CodePage page = pages.Of(block);
            bool Owns(byte* executable) => page.Code.Any(piece =>
                memory.Writable(executable) >= (byte*)piece.Place && memory.Writable(executable) <= (byte*)piece.Place + piece.Length);
            Debug.Assert(Owns(jumpEnd) && Owns(target), "a direct jump is bound only within one page of code");
        }
    }
}
