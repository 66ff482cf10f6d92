using System.Diagnostics;
using System.Numerics;
using System.Runtime.CompilerServices;
using PsVm.Riscv.Decoding;
using PsVm.Riscv.Memory;
using PsVm.Riscv.Mmu;

namespace PsVm.Riscv.Interpreter;

/// <summary>
/// LR, SC and AMOs, atomic towards other harts on other host threads. SC compares with what LR read: the manual asks for failure
/// when another hart stored in between, and a store that leaves the same value cannot be told from none.
/// </summary>
/// <remarks>
/// Safety: a decoded operation's register numbers are within the state's arrays. Where a tag of the TLB equals the address's page, address
/// and addend make a host address in mapped RAM; the tag that is asked for is no page's unless the operand is aligned, so it lies in one
/// page.
/// </remarks>
internal static unsafe class AtomicInterpreter
{
    /// <summary>Executes one; false: it faulted.</summary>
    public static bool Execute(Hart hart, Op* op) => op->Code < OpCode.LrD
        ? Execute<uint>(hart, op, op->Code)
        : Execute<ulong>(hart, op, op->Code - (OpCode.LrD - OpCode.LrW));

    private static bool Execute<T>(Hart hart, Op* op, OpCode code)
        where T : unmanaged, IBinaryInteger<T>
    {
        HartState* state = hart.State;
        ulong address = state->X[op->Rs1];
        TlbEntry* entry = state->EntryOf(address);
        ulong tag = (address & (ulong)(sizeof(T) - 1)) == 0 ? address & ~(PhysicalMemory.PageSize - 1) : TlbEntry.Invalid - 1;
        if (code == OpCode.LrW)
        {
            byte* reserved = entry->Read == tag
                ? (byte*)(address + entry->Addend)
                : hart.Mmu.AtomicOperand(address, sizeof(T), Access.Load);
            if (reserved is null)
            {
                return false;
            }

            T value = Read((T*)reserved);
            state->ReservedHost = (ulong)reserved;
            state->ReservedValue = Extend(value);
            state->X[op->Rd] = Extend(value);
            return true;
        }

        byte* host = entry->Write == tag ? (byte*)(address + entry->Addend) : hart.Mmu.AtomicOperand(address, sizeof(T), Access.Store);
        if (host is null)
        {
            return false;
        }

        Debug.Assert(((ulong)host & (ulong)(sizeof(T) - 1)) == 0, "the host page is aligned as the guest's is");
        T operand = T.CreateTruncating(state->X[op->Rs2]);
        if (code == OpCode.ScW)
        {
            T expected = T.CreateTruncating(state->ReservedValue);
            bool stored = state->ReservedHost == (ulong)host && CompareExchange((T*)host, operand, expected) == expected;
            state->ReservedHost = 0;
            state->X[op->Rd] = stored ? 0ul : 1;
            return true;
        }

        T old;
        do
        {
            old = Read((T*)host);
        }
        while (CompareExchange((T*)host, Combine(code, old, operand), old) != old);

        state->X[op->Rd] = Extend(old);
        return true;
    }

    private static T Combine<T>(OpCode code, T old, T operand)
        where T : unmanaged, IBinaryInteger<T>
    {
        // Signed order is unsigned order with the top bit turned.
        T top = T.One << ((sizeof(T) * 8) - 1);
        return code switch
        {
            OpCode.AmoSwapW => operand,
            OpCode.AmoAddW => unchecked(old + operand),
            OpCode.AmoXorW => old ^ operand,
            OpCode.AmoAndW => old & operand,
            OpCode.AmoOrW => old | operand,
            OpCode.AmoMinW => (old ^ top) < (operand ^ top) ? old : operand,
            OpCode.AmoMaxW => (old ^ top) > (operand ^ top) ? old : operand,
            OpCode.AmoMinuW => old < operand ? old : operand,
            _ => old > operand ? old : operand,
        };
    }

    private static T Read<T>(T* host)
        where T : unmanaged => sizeof(T) == 4
        ? Unsafe.BitCast<uint, T>(Volatile.Read(ref *(uint*)host))
        : Unsafe.BitCast<ulong, T>(Volatile.Read(ref *(ulong*)host));

    private static T CompareExchange<T>(T* host, T value, T expected)
        where T : unmanaged => sizeof(T) == 4
        ? Unsafe.BitCast<uint, T>(Interlocked.CompareExchange(
            ref *(uint*)host, Unsafe.BitCast<T, uint>(value), Unsafe.BitCast<T, uint>(expected)))
        : Unsafe.BitCast<ulong, T>(Interlocked.CompareExchange(
            ref *(ulong*)host, Unsafe.BitCast<T, ulong>(value), Unsafe.BitCast<T, ulong>(expected)));

    private static ulong Extend<T>(T value)
        where T : unmanaged, IBinaryInteger<T> => sizeof(T) == 4 ? (ulong)int.CreateTruncating(value) : ulong.CreateTruncating(value);
}
