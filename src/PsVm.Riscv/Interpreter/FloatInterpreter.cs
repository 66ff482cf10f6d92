using System.Diagnostics;
using System.Numerics;
using PsVm.Riscv.Decoding;
using PsVm.Riscv.FloatingPoint;
using PsVm.Riscv.Memory;
using PsVm.Riscv.Mmu;

namespace PsVm.Riscv.Interpreter;

/// <summary>What became of a memory access that has to be enabled.</summary>
internal enum AccessResult
{
    Done,

    /// <summary>
    /// It is not enabled: the floating point unit is off (mstatus.FS), or cache-block instructions are (menvcfg, senvcfg).
    /// </summary>
    Illegal,

    /// <summary>The access failed.</summary>
    Fault,
}

/// <summary>The F and D instructions, and Zfa's.</summary>
/// <remarks>
/// Safety: a decoded operation's register numbers are within the state's arrays. Where a tag of the TLB equals the page of an access's last
/// byte, found under its first, both are in that page, and address and addend make a host address in mapped RAM.
/// </remarks>
internal static unsafe class FloatInterpreter
{
    /// <summary>The bits of fflags.</summary>
    public const uint AllFlags = 31;

    private const uint Dirty = 3;
    private const byte DynamicRounding = 7;

    /// <summary>Loads or stores a floating point register.</summary>
    public static AccessResult Move(Hart hart, Op* op)
    {
        HartState* state = hart.State;
        if (state->FloatStatus == 0)
        {
            return AccessResult.Illegal;
        }

        ulong address = state->X[op->Rs1] + (ulong)op->Immediate;
        int size = op->Code is OpCode.Flw or OpCode.Fsw ? 4 : 8;
        ulong tag = (address + (ulong)size - 1) & ~(PhysicalMemory.PageSize - 1);
        TlbEntry* entry = state->EntryOf(address);
        ulong host = address + entry->Addend;
        bool done = true;
        switch (op->Code)
        {
            case OpCode.Fld when entry->Read == tag:
                state->F[op->Rd] = *(ulong*)host;
                break;
            case OpCode.Flw when entry->Read == tag:
                state->F[op->Rd] = Float32.Box(*(uint*)host);
                break;
            case OpCode.Fsd when entry->Write == tag:
                *(ulong*)host = state->F[op->Rs2];
                return AccessResult.Done;
            case OpCode.Fsw when entry->Write == tag:
                *(uint*)host = (uint)state->F[op->Rs2];
                return AccessResult.Done;
            case OpCode.Fsd or OpCode.Fsw:
                return hart.Mmu.Store(address, state->F[op->Rs2], size) ? AccessResult.Done : AccessResult.Fault;
            default:
                done = hart.Mmu.Load(address, size);
                if (done)
                {
                    state->F[op->Rd] = size == 8 ? state->LoadValue : Float32.Box((uint)state->LoadValue);
                }

                break;
        }

        state->FloatStatus = done ? Dirty : state->FloatStatus;
        return done ? AccessResult.Done : AccessResult.Fault;
    }

    /// <summary>Executes an operation on registers or flags; false: it is illegal with this rounding mode, or the unit is off.</summary>
    public static bool Execute(HartState* state, Op* op) => op->Code switch
    {
        < OpCode.FaddS => AccessFlags(state, op),
        < OpCode.FaddD => Execute<float>(state, op, op->Code),
        _ => Execute<double>(state, op, op->Code - (OpCode.FaddD - OpCode.FaddS)),
    };

    private static bool AccessFlags(HartState* state, Op* op)
    {
        if (state->FloatStatus == 0)
        {
            return false;
        }

        if (op->Code == OpCode.Frflags)
        {
            Debug.Assert(state->HostFlags == 0, "what the host's unit raised is in the state");
            state->X[op->Rd] = state->FloatFlags;
        }
        else
        {
            state->FloatFlags = (uint)state->X[op->Rs1] & AllFlags;
            state->FloatStatus = Dirty;
        }

        return true;
    }

    private static bool Execute<T>(HartState* state, Op* op, OpCode code)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        if (state->FloatStatus == 0)
        {
            return false;
        }

        uint field = (uint)op->Immediate & 7;
        var mode = (RoundingMode)(field == DynamicRounding ? state->FloatRounding : field);
        if (mode > RoundingMode.NearestMaxMagnitude && UsesRounding(code))
        {
            return false;
        }

        ulong a = Read<T>(state, op->Rs1), b = Read<T>(state, op->Rs2);
        const ulong OneSign = 1;
        ulong sign = OneSign << ((sizeof(T) * 8) - 1);
        var flags = (FpFlags)state->FloatFlags;
        ulong result;
        switch (code)
        {
            case OpCode.FaddS: result = Ieee754<T>.Add(a, b, mode, ref flags); break;
            case OpCode.FsubS: result = Ieee754<T>.Sub(a, b, mode, ref flags); break;
            case OpCode.FmulS: result = Ieee754<T>.Mul(a, b, mode, ref flags); break;
            case OpCode.FdivS: result = Ieee754<T>.Div(a, b, mode, ref flags); break;
            case OpCode.FsqrtS: result = Ieee754<T>.Sqrt(a, mode, ref flags); break;
            case OpCode.FmaddS or OpCode.FmsubS or OpCode.FnmsubS or OpCode.FnmaddS:
                result = Ieee754<T>.FusedMultiplyAdd(
                    a, b, Read<T>(state, (int)(op->Immediate >> 3)),
                    code is OpCode.FnmsubS or OpCode.FnmaddS, code is OpCode.FmsubS or OpCode.FnmaddS, mode, ref flags);
                break;
            case OpCode.FsgnjS: result = (a & ~sign) | (b & sign); break;
            case OpCode.FsgnjnS: result = (a & ~sign) | (~b & sign); break;
            case OpCode.FsgnjxS: result = a ^ (b & sign); break;
            case OpCode.FminS: result = Ieee754<T>.Min(a, b, ref flags); break;
            case OpCode.FmaxS: result = Ieee754<T>.Max(a, b, ref flags); break;
            case OpCode.FcvtSW: result = FromInteger<T>((int)state->X[op->Rs1], mode, ref flags); break;
            case OpCode.FcvtSWu: result = Ieee754<T>.FromInteger(false, (uint)state->X[op->Rs1], mode, ref flags); break;
            case OpCode.FcvtSL: result = FromInteger<T>((long)state->X[op->Rs1], mode, ref flags); break;
            case OpCode.FcvtSLu: result = Ieee754<T>.FromInteger(false, state->X[op->Rs1], mode, ref flags); break;
            case OpCode.FmvWX: result = state->X[op->Rs1]; break;
            case OpCode.FliS: result = (ulong)op->Immediate; break;
            case OpCode.FminmS: result = Ieee754<T>.Minimum(a, b, ref flags); break;
            case OpCode.FmaxmS: result = Ieee754<T>.Maximum(a, b, ref flags); break;
            case OpCode.FroundS: result = Ieee754<T>.RoundToInteger(a, mode, raisesInexact: false, ref flags); break;
            case OpCode.FroundnxS: result = Ieee754<T>.RoundToInteger(a, mode, raisesInexact: true, ref flags); break;
            case OpCode.FcvtSD:
                result = sizeof(T) == 4
                    ? Ieee754<float>.FromFormat<double>(Read<double>(state, op->Rs1), mode, ref flags)
                    : Ieee754<double>.FromFormat<float>(Read<float>(state, op->Rs1), mode, ref flags);
                break;
            default:
                state->X[op->Rd] = ToInteger<T>(state, op, code, a, b, mode, ref flags);
                state->FloatFlags = (uint)flags;
                state->FloatStatus = code is OpCode.FmvXW or OpCode.FclassS ? state->FloatStatus : Dirty;
                return true;
        }

        state->F[op->Rd] = sizeof(T) == 4 ? Float32.Box((uint)result) : result;
        state->FloatFlags = (uint)flags;
        state->FloatStatus = Dirty;
        return true;
    }

    private static ulong ToInteger<T>(HartState* state, Op* op, OpCode code, ulong a, ulong b, RoundingMode mode, ref FpFlags flags)
        where T : unmanaged, IBinaryFloatingPointIeee754<T> => code switch
        {
            OpCode.FeqS => Ieee754<T>.Eq(a, b, ref flags) ? 1ul : 0,
            OpCode.FltS => Ieee754<T>.Lt(a, b, ref flags) ? 1ul : 0,
            OpCode.FleS => Ieee754<T>.Le(a, b, ref flags) ? 1ul : 0,
            OpCode.FclassS => Ieee754<T>.Classify(a),
            OpCode.FcvtWS => Ieee754<T>.ToInteger(a, true, 32, mode, ref flags),
            OpCode.FcvtWuS => Ieee754<T>.ToInteger(a, false, 32, mode, ref flags),
            OpCode.FcvtLS => Ieee754<T>.ToInteger(a, true, 64, mode, ref flags),
            OpCode.FcvtLuS => Ieee754<T>.ToInteger(a, false, 64, mode, ref flags),
            OpCode.FcvtmodWS => Ieee754<T>.ToIntegerModulo(a, ref flags),
            OpCode.FltqS => Ieee754<T>.LtQuiet(a, b, ref flags) ? 1ul : 0,
            OpCode.FleqS => Ieee754<T>.LeQuiet(a, b, ref flags) ? 1ul : 0,
            _ => sizeof(T) == 4 ? (ulong)(int)state->F[op->Rs1] : state->F[op->Rs1], // FMV.X.W, FMV.X.D: bits as they are
        };

    /// <summary>Comparisons, classification, sign injection and moves use the field for something else.</summary>
    private static bool UsesRounding(OpCode code) =>
        code is <= OpCode.FnmaddS or (>= OpCode.FcvtWS and <= OpCode.FcvtSLu) or OpCode.FcvtSD
            or OpCode.FroundS or OpCode.FroundnxS;

    private static ulong FromInteger<T>(long value, RoundingMode mode, ref FpFlags flags)
        where T : unmanaged, IBinaryFloatingPointIeee754<T> =>
        Ieee754<T>.FromInteger(value < 0, value < 0 ? 0 - (ulong)value : (ulong)value, mode, ref flags);

    private static ulong Read<T>(HartState* state, int register)
        where T : unmanaged => sizeof(T) == 4 ? Float32.Unbox(state->F[register]) : state->F[register];
}
