using PsVm.Riscv.Decoding;

namespace PsVm.Riscv.Translation.Units;

/// <content>What is needed, how much of it, and until when.</content>
internal sealed unsafe partial class ValueRun
{
    /// <summary>Whether an operation gives the low 32 bits of its result from those of its operands.</summary>
    public static bool KeepsWords(Value value) => value.Code switch
    {
        OpCode.Add or OpCode.Sub or OpCode.Xor or OpCode.Or or OpCode.And or OpCode.Addi or OpCode.Xori or OpCode.Ori or OpCode.Andi
            or OpCode.Mul => true,
        OpCode.Slli => value.Immediate < WordBits,
        _ => false,
    };

    /// <summary>Whether an operation reads no more than the low 32 bits of its operands, whatever is needed of its result.</summary>
    public static bool ReadsWords(Value value) => value.Code switch
    {
        OpCode.Addiw or OpCode.Slliw or OpCode.Srliw or OpCode.Sraiw or OpCode.Addw or OpCode.Subw or OpCode.Sllw or OpCode.Srlw
            or OpCode.Sraw or OpCode.Mulw or OpCode.Roriw or OpCode.SextB or OpCode.SextH or OpCode.ZextH => true,
        OpCode.AddUw => value.B!.Kind == ValueKind.Constant && value.B.Immediate == 0,
        OpCode.Andi => value.Immediate >= 0,
        OpCode.Slli => value.Immediate >= WordBits,
        OpCode.Slt or OpCode.Sltu => value.ComparesWords,
        OpCode.Slti or OpCode.Sltiu => value.A!.IsWord,
        _ => false,
    };

    /// <summary>Goes through the values from the last to the first, so that whoever needs one has been seen before it.</summary>
    private void SeeWhatIsNeeded()
    {
        See(Visible, _values.Count);
        for (int register = 1; register < Registers; register++)
        {
            if (Visible[register] is { Kind: not ValueKind.Constant, Final: 0 } value)
            {
                value.Final = register;
            }
        }

        for (int at = _values.Count - 1; at >= 0; at--)
        {
            Value value = _values[at];

            // What is selected is, too: its branch tells how much counts.
            value.IsNeeded |= value.Kind is not (ValueKind.Input or ValueKind.Constant or ValueKind.Compute);
            if (value.IsNeeded)
            {
                NeedsOf(value);
                if (value.Visible is not null)
                {
                    See(value.Visible, at);
                }
            }
        }

        foreach (Value value in _values)
        {
            value.Uses.Reverse(); // they were found from the last to the first
        }
    }

    private static void NeedsOf(Value value)
    {
        bool all = value.Kind switch
        {
            ValueKind.Exit => !value.ComparesWords,
            ValueKind.Compute when ReadsWords(value) => false,
            ValueKind.Compute when KeepsWords(value) => value.NeedsAll,
            ValueKind.Select => !value.ComparesWords,
            _ => true,
        };
        Use(value.A, value.At, all);
        Use(value.B, value.At, value.Kind == ValueKind.Store ? value.Code == OpCode.Sd : all);
        Use(value.Taken, value.At, value.NeedsAll);
        Use(value.Otherwise, value.At, value.NeedsAll);
    }

    private static void Use(Value? value, int at, bool all)
    {
        if (value is not null)
        {
            value.IsNeeded = true;
            value.NeedsAll |= all;
            value.LastUse = Math.Max(value.LastUse, at);
            value.Uses.Add(at);
        }
    }

    /// <summary>Values have to be there, be it without a register, where the guest may see them.</summary>
    private static void See(Value?[] visible, int at)
    {
        foreach (Value? value in visible)
        {
            if (value is not null)
            {
                value.IsNeeded = true;
                value.NeedsAll |= !value.IsWord;
                value.LastUse = Math.Max(value.LastUse, at);
            }
        }
    }
}
