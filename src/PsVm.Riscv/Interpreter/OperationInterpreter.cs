using PsVm.Riscv.Decoding;

namespace PsVm.Riscv.Interpreter;

/// <summary>Runs single operations that translated code leaves to the interpreter: atomics, floating point, CBO.ZERO.</summary>
/// <remarks>Safety: as <see cref="BlockInterpreter"/>; the operation is one of a block that the hart is in.</remarks>
internal static unsafe class OperationInterpreter
{
    /// <summary>Executes an operation.</summary>
    /// <returns>False: it failed, as the state tells.</returns>
    public static bool Execute(Hart hart, Op* op)
    {
        HartState* state = hart.State;
        AccessResult result;
        switch (op->Code)
        {
            case <= OpCode.Fsd:
                result = FloatInterpreter.Move(hart, op);
                break;
            case OpCode.CboZero:
                result = CacheBlockInterpreter.Zero(hart, op);
                break;
            case <= OpCode.AmoMaxuD:
                return AtomicInterpreter.Execute(hart, op);
            default:
                result = FloatInterpreter.Execute(state, op) ? AccessResult.Done : AccessResult.Illegal;
                break;
        }

        if (result == AccessResult.Illegal)
        {
            state->TrapCause = ExceptionCause.IllegalInstruction;
        }

        return result == AccessResult.Done;
    }
}
