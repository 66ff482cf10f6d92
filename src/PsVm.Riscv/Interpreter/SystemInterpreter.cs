using PsVm.Riscv.Csr;
using PsVm.Riscv.Decoding;

namespace PsVm.Riscv.Interpreter;

/// <summary>CSR accesses, calls, returns from traps, fences and waits. Each leaves the state's pc at what comes next.</summary>
/// <remarks>Safety: decoded register numbers are within the state's arrays; the state is the hart's, which runs on this thread.</remarks>
internal static unsafe class SystemInterpreter
{
    /// <summary>Executes one; the state's count of retired instructions is right up to it.</summary>
    /// <returns>What the hart waits for; <see cref="BlockExit.Boundary"/>: it goes on.</returns>
    public static BlockExit Execute(Hart hart, Op* op, ulong pc)
    {
        using HartProfile.Scope scope = HartProfile.During(hart.Profile, HartProfile.IsOn ? WorkOf(op) : HartWork.Csr);
        HartState* state = hart.State;
        CsrFile csrs = hart.Csrs;
        PrivilegeMode mode = csrs.Mode;
        state->Pc = pc + op->Length;
        switch (op->Code)
        {
            case <= OpCode.Csrrci:
                if (!AccessCsr(hart, op, mode))
                {
                    return Illegal(hart, op, pc);
                }

                break;

            case OpCode.Ecall:
                if (!hart.TryEnvironmentCall((int)op->Immediate))
                {
                    return Trap(hart, ExceptionCause.EcallFromUser + (ulong)mode, 0, pc);
                }

                if (hart.IsAwaitingPage)
                {
                    state->Pc = pc;
                    return BlockExit.Boundary;
                }

                break;

            case OpCode.Ebreak:
                return Trap(hart, ExceptionCause.Breakpoint, pc, pc);

            case OpCode.Mret when mode == PrivilegeMode.Machine:
                state->Pc = csrs.ReturnFromMachine();
                hart.SelectContext();
                hart.Apply(CsrEffect.InterruptsLetIn);
                break;

            case OpCode.Sret when mode == PrivilegeMode.Machine || (mode == PrivilegeMode.Supervisor && !csrs.TrapsSret):
                state->Pc = csrs.ReturnFromSupervisor();
                hart.SelectContext();
                hart.Apply(CsrEffect.InterruptsLetIn);
                break;

            case OpCode.Wfi when mode == PrivilegeMode.Machine || (mode == PrivilegeMode.Supervisor && !csrs.TrapsWfi):
                state->Retired++;
                return BlockExit.WaitForInterrupt;

            // In every mode; with TW it would have to end within bounded time, which it does.
            case OpCode.WrsNto or OpCode.WrsSto:
                state->Retired++;
                return BlockExit.WaitForStore;

            case OpCode.SfenceVma when mode == PrivilegeMode.Machine || (mode == PrivilegeMode.Supervisor && !csrs.TrapsVirtualMemory):
                int? asid = op->Rs2 == 0 ? null : (ushort)state->X[op->Rs2];
                if (op->Rs1 == 0)
                {
                    hart.Mmu.Flush(asid);
                }
                else
                {
                    hart.Mmu.FlushAddress(state->X[op->Rs1], asid);
                }

                break;

            case OpCode.FenceI:
                hart.FenceInstructions();
                break;

            case >= OpCode.CboInval and <= OpCode.CboFlush:
                switch (CacheBlockInterpreter.Manage(hart, op))
                {
                    case AccessResult.Illegal: return Illegal(hart, op, pc);
                    case AccessResult.Fault: return Trap(hart, state->TrapCause, state->TrapValue, pc);
                }

                break;

            default:
                return Illegal(hart, op, pc);
        }

        state->Retired++;
        return BlockExit.Boundary;
    }

    private static HartWork WorkOf(Op* op) => op->Code switch
    {
        <= OpCode.Csrrci => (int)((ulong)op->Immediate >> 20) == CsrNumber.Satp ? HartWork.Satp : HartWork.Csr,
        OpCode.Mret or OpCode.Sret => HartWork.Return,
        OpCode.SfenceVma => op->Rs1 == 0 ? HartWork.Fence : HartWork.AddressFence,
        OpCode.FenceI => HartWork.InstructionFence,
        _ => HartWork.Call,
    };

    private static bool AccessCsr(Hart hart, Op* op, PrivilegeMode mode)
    {
        HartState* state = hart.State;
        int number = (int)((ulong)op->Immediate >> 20);
        bool immediate = op->Code >= OpCode.Csrrwi;
        OpCode kind = immediate ? op->Code - (OpCode.Csrrwi - OpCode.Csrrw) : op->Code;
        ulong operand = immediate ? op->Rs1 : state->X[op->Rs1];
        bool write = kind == OpCode.Csrrw || op->Rs1 != 0;
        if (!hart.Csrs.MayAccess(number, mode, write) || !hart.TryReadCsr(number, out ulong old))
        {
            return false;
        }

        if (write && number is (CsrNumber.Mip or CsrNumber.Sip))
        {
            (ulong set, ulong clear) = kind switch
            {
                OpCode.Csrrw => (operand, ~operand),
                OpCode.Csrrs => (operand, 0ul),
                _ => (0ul, operand),
            };
            old = hart.UpdatePending(number, set, clear);
        }
        else if (write)
        {
            ulong value = kind switch
            {
                OpCode.Csrrw => operand,
                OpCode.Csrrs => old | operand,
                _ => old & ~operand,
            };
            if (!hart.TryWriteCsr(number, value))
            {
                return false;
            }
        }

        state->X[op->Rd] = old;
        return true;
    }

    private static BlockExit Illegal(Hart hart, Op* op, ulong pc) =>
        Trap(hart, ExceptionCause.IllegalInstruction, hart.Fetch.InstructionBits(pc), pc);

    private static BlockExit Trap(Hart hart, ulong cause, ulong value, ulong pc)
    {
        hart.Trap(cause, value, pc);
        return BlockExit.Boundary;
    }
}
