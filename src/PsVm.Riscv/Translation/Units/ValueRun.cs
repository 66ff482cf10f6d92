using System.Diagnostics;
using PsVm.Riscv.Decoding;

namespace PsVm.Riscv.Translation.Units;

/// <summary>
/// A run: operations of a block that are done one after another, as values that are each assigned once. Copies are the same value, what
/// constants give is a constant, rotations that are written as two shifts are one operation. Where the run may be left, by a branch or
/// since an access may have to be done otherwise, it says which values the guest's registers have there.
/// </summary>
internal sealed unsafe partial class ValueRun
{
    /// <summary>Values that may wait in the state at once, besides those in slots of guest registers.</summary>
    public const int MostSpilled = 16;

    private const int Registers = 32, WordBits = 32, AllBits = 64;

    private readonly Value?[] _current = new Value?[Registers];
    private readonly Value?[] _inputs = new Value?[Registers];
    private readonly int[] _assignedAt = new int[Registers];
    private readonly Dictionary<long, Value> _constants = [];
    private readonly Dictionary<AccessGroup, Value> _reached = [];
    private readonly List<Value> _values = [];
    private readonly AccessGroups? _groups;

    /// <param name="ops">The block.</param>
    /// <param name="first">Index of the first operation.</param>
    /// <param name="end">Index behind the last.</param>
    /// <param name="groups">The block's groups of accesses; each lies in one run.</param>
    /// <param name="held">Guest registers, as bits, that host registers hold: they count as inputs where they are not read, too.</param>
    /// <param name="skippable">How many operations behind a branch are done in any case, which then selects.</param>
    public ValueRun(Op* ops, int first, int end, AccessGroups? groups, uint held, delegate*<Op*, int> skippable)
    {
        _groups = groups;
        for (int register = 1; register < Registers; register++)
        {
            if ((held >> register & 1) != 0)
            {
                Operand(register);
            }
        }

        for (int index = first; index < end; index++)
        {
            Op* op = ops + index;
            int skipped = op->Code is >= OpCode.Beq and <= OpCode.Bgeu ? skippable(op) : 0;
            if (skipped != 0)
            {
                Select(op, index, skipped);
                index += skipped;
            }
            else
            {
                Operation(op, index);
            }
        }

        Visible = Snapshot();
        SeeWhatIsNeeded();
    }

    /// <summary>All values, in the order of the program.</summary>
    public IReadOnlyList<Value> Values => _values;

    /// <summary>The guest's registers, as values, where the run ends; null: as it began.</summary>
    public Value?[] Visible { get; }

    /// <summary>Whether an operation may be one of a run.</summary>
    public static bool Has(OpCode code) =>
        code is >= OpCode.LoadImmediate and <= OpCode.Sraw or >= OpCode.Beq and <= OpCode.Pause;

    /// <summary>What a register holds where the run begins; null: nobody asks.</summary>
    public Value? Input(int register) => _inputs[register];

    /// <summary>From which place on a register has the value that it has in the end.</summary>
    public int AssignedAt(int register) => _assignedAt[register];

    private void Operation(Op* op, int index)
    {
        switch (op->Code)
        {
            case OpCode.Fence or OpCode.Pause:
                Add(new Value { Kind = ValueKind.Effect, Code = op->Code, Index = index, At = _values.Count });
                break;
            case >= OpCode.Beq and <= OpCode.Bgeu:
                (Value left, Value right) = (Operand(op->Rs1), Operand(op->Rs2));
                Add(new Value
                {
                    Kind = ValueKind.Exit, Code = op->Code, Index = index, A = left, B = right, Visible = Snapshot(), At = _values.Count,
                });
                break;
            case >= OpCode.Lb and <= OpCode.Sd:
                Access(op, index);
                break;
            default:
                if (op->Rd != Op.Sink)
                {
                    Assign(op->Rd, Compute(op, index));
                }

                break;
        }
    }

    private void Access(Op* op, int index)
    {
        bool stores = op->Code >= OpCode.Sb;
        AccessGroup? group = _groups?[index];
        Value address = Operand(op->Rs1);
        Value? stored = stores ? Operand(op->Rs2) : null;
        long offset = op->Immediate;
        if (group is not null)
        {
            offset = _groups!.OffsetOf(index);
            if (group.First == index)
            {
                Value?[] visible = Snapshot();
                _reached[group] = Add(new Value
                {
                    Kind = ValueKind.Reach, Code = op->Code, Index = index, A = address, Immediate = op->Immediate - offset, Group = group,
                    Visible = visible, At = _values.Count,
                });
            }

            address = _reached[group];
        }

        Value access = Add(new Value
        {
            Kind = stores ? ValueKind.Store : ValueKind.Load, Code = op->Code, Index = index, A = address, B = stored, Immediate = offset,
            Group = group, Visible = group is null ? Snapshot() : null, At = _values.Count,
            IsWord = op->Code is not (OpCode.Ld or OpCode.Lwu), IsSmall = op->Code is OpCode.Lbu or OpCode.Lhu,
        });
        if (!stores && op->Rd != Op.Sink)
        {
            Assign(op->Rd, access);
        }
    }

    private void Select(Op* branch, int index, int skipped)
    {
        int register = branch[1].Rd;
        (Value left, Value right, Value taken) = (Operand(branch->Rs1), Operand(branch->Rs2), Operand(register));
        for (int i = 1; i <= skipped; i++)
        {
            Operation(branch + i, index + i);
        }

        Value otherwise = Operand(register);
        Assign(register, Add(new Value
        {
            Kind = ValueKind.Select, Code = branch->Code, Index = index, A = left, B = right, Taken = taken, Otherwise = otherwise,
            Skipped = skipped, IsWord = taken.IsWord && otherwise.IsWord, IsSmall = taken.IsSmall && otherwise.IsSmall, At = _values.Count,
        }));
    }

    private Value Operand(int register)
    {
        if (register == 0)
        {
            return Constant(0);
        }

        return _current[register] ??= _inputs[register] =
            Add(new Value { Kind = ValueKind.Input, Immediate = register, At = _values.Count });
    }

    private Value Constant(long number)
    {
        if (!_constants.TryGetValue(number, out Value? constant))
        {
            constant = Add(new Value
            {
                Kind = ValueKind.Constant, Immediate = number, IsWord = number == (int)number, IsSmall = number is >= 0 and <= int.MaxValue,
                At = _values.Count,
            });
            _constants.Add(number, constant);
        }

        return constant;
    }

    private void Assign(int register, Value value) => (_current[register], _assignedAt[register]) = (value, _values.Count);

    private Value?[] Snapshot() => [.. _current];

    private Value Add(Value value)
    {
        Debug.Assert(value.At == _values.Count, "values are counted in their order");
        _values.Add(value);
        return value;
    }
}
