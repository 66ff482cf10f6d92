using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using PsVm.Riscv.Decoding;
using PsVm.Riscv.Interpreter;

namespace PsVm.Riscv.Translation;

/// <summary>
/// What translated code calls, by the host's C calling convention: the state first. Guest registers and the count of retired instructions
/// are in the state meanwhile. Each gives 0 when it failed, as the state tells.
/// </summary>
/// <remarks>Safety: the state is that of a hart that runs, whose handle is in it; operations are of the block that it is in.</remarks>
internal static unsafe class HostCalls
{
    /// <summary>A load that the TLB does not answer: address, size.</summary>
    public static readonly delegate* unmanaged<HartState*, ulong, int, byte> Load = &LoadSlowly;

    /// <summary>A store that the TLB does not answer: address, size, value.</summary>
    public static readonly delegate* unmanaged<HartState*, ulong, int, ulong, byte> Store = &StoreSlowly;

    /// <summary>An operation that is left to the interpreter.</summary>
    public static readonly delegate* unmanaged<HartState*, Op*, byte> Interpret = &InterpretOne;

    /// <summary>A system instruction. 0: translated code is to be left, at the state's pc.</summary>
    public static readonly delegate* unmanaged<HartState*, Op*, byte> System = &ExecuteSystem;

    private static Hart HartOf(HartState* state) => Unsafe.As<Hart>(GCHandle.FromIntPtr(state->Hart).Target!);

    [UnmanagedCallersOnly]
    private static byte LoadSlowly(HartState* state, ulong address, int size)
    {
        Hart hart = HartOf(state);
        try
        {
            return hart.Mmu.Load(address, size) ? (byte)1 : (byte)0;
        }
        catch (Exception failure)
        {
            return Failed(hart, failure);
        }
    }

    [UnmanagedCallersOnly]
    private static byte StoreSlowly(HartState* state, ulong address, int size, ulong value)
    {
        Hart hart = HartOf(state);
        try
        {
            return hart.Mmu.Store(address, value, size) ? (byte)1 : (byte)0;
        }
        catch (Exception failure)
        {
            return Failed(hart, failure);
        }
    }

    [UnmanagedCallersOnly]
    private static byte InterpretOne(HartState* state, Op* op)
    {
        Hart hart = HartOf(state);
        try
        {
            using HartProfile.Scope scope = HartProfile.During(hart.Profile, HartWork.Operation);
            return OperationInterpreter.Execute(hart, op) ? (byte)1 : (byte)0;
        }
        catch (Exception failure)
        {
            return Failed(hart, failure);
        }
    }

    [UnmanagedCallersOnly]
    private static byte ExecuteSystem(HartState* state, Op* op)
    {
        Hart hart = HartOf(state);
        try
        {
            return hart.ExecuteSystem(op) ? (byte)1 : (byte)0;
        }
        catch (Exception failure)
        {
            return Failed(hart, failure);
        }
    }

    /// <summary>An exception cannot pass through translated code: the hart throws it on the other side.</summary>
    private static byte Failed(Hart hart, Exception failure)
    {
        hart.Failure = failure;
        hart.State->TrapCause = ExceptionCause.PageAwaited; // of none that translated code takes by itself
        return 0;
    }
}
