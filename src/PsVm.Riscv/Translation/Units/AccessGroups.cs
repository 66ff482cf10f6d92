using System.Diagnostics;
using PsVm.Riscv.Decoding;

namespace PsVm.Riscv.Translation.Units;

/// <summary>
/// Loads and stores of a block that lie so close to each other that they can be checked as one: their addresses are the same value of one
/// register, plus numbers that are known, whatever registers that value was copied to or counted up in meanwhile.
/// </summary>
internal sealed unsafe class AccessGroups
{
    /// <summary>Bytes from the first to the last that a group may reach: the more, the more often it lies on two pages.</summary>
    public const int MostBytes = 256;

    /// <summary>Operations that a back end may do whether or not a branch over them is taken, and take back.</summary>
    public const int MostSkipped = 4;

    /// <summary>Groups that may be open at one operation.</summary>
    public const int MostAtOnce = 8;

    private const int NoOrigin = 0, Registers = 33, LongestInstruction = 4;

    private readonly AccessGroup?[] _groups = new AccessGroup?[BlockDecoder.MaxOps];
    private readonly long[] _offsets = new long[BlockDecoder.MaxOps];
    private readonly List<AccessGroup> _found = [];

    // What is known of each register: a value that has a number, and what was added to it.
    private readonly (int Origin, long Offset)[] _registers = new (int, long)[Registers];
    private readonly Dictionary<int, AccessGroup> _open = [];
    private int _origins;

    private AccessGroups()
    {
    }

    /// <summary>The group that an operation is in, or null.</summary>
    public AccessGroup? this[int index] => _groups[index];

    /// <summary>Bytes from the first that its group reaches to the first that an operation does.</summary>
    public int OffsetOf(int index) => (int)(_offsets[index] - _groups[index]!.Lowest);

    /// <summary>The groups of a block; null: there are none.</summary>
    /// <param name="ops">The block.</param>
    /// <param name="callsOut">Tells that an operation leaves translated code each time: no group reaches over it.</param>
    public static AccessGroups? Of(Op* ops, delegate*<Op*, bool> callsOut)
    {
        AccessGroups groups = new();
        groups.Find(ops, callsOut);
        return groups.Keep() ? groups : null;
    }

    /// <summary>Whether an operation is one that a group may have.</summary>
    public static bool IsAccess(OpCode code) => code is >= OpCode.Lb and <= OpCode.Sd or >= OpCode.Flw and <= OpCode.Fsd;

    private static (int Size, bool Stores) Shape(OpCode code) => code switch
    {
        OpCode.Lb or OpCode.Lbu => (1, false),
        OpCode.Lh or OpCode.Lhu => (2, false),
        OpCode.Lw or OpCode.Lwu or OpCode.Flw => (4, false),
        OpCode.Ld or OpCode.Fld => (8, false),
        OpCode.Sb => (1, true),
        OpCode.Sh => (2, true),
        OpCode.Sw or OpCode.Fsw => (4, true),
        _ => (8, true),
    };

    private void Find(Op* ops, delegate*<Op*, bool> callsOut)
    {
        for (int register = 1; register < Registers; register++)
        {
            _registers[register] = (++_origins, 0);
        }

        int uncertainUntil = 0;
        for (int index = 0; !Decoder.IsLast(ops[index].Code); index++)
        {
            Op* op = ops + index;
            if (callsOut(op))
            {
                _open.Clear();
            }
            else if (op->Code is >= OpCode.Beq and <= OpCode.Bgeu)
            {
                bool skipsLittle = op->Immediate > op->Offset && op->Immediate - op->Offset <= (MostSkipped + 1) * LongestInstruction;
                uncertainUntil = skipsLittle ? Math.Max(uncertainUntil, (int)op->Immediate) : uncertainUntil;
                foreach (AccessGroup group in _open.Values)
                {
                    group.IsBehindBranch = true;
                }
            }
            else if (IsAccess(op->Code) && _registers[op->Rs1].Origin != NoOrigin)
            {
                Add(op, index);
            }

            Follow(op, isCertain: op->Offset >= uncertainUntil);
        }
    }

    private void Add(Op* op, int index)
    {
        (int origin, long offset) = _registers[op->Rs1];
        offset += op->Immediate;
        (int size, bool stores) = Shape(op->Code);
        _offsets[index] = offset;
        if (_open.TryGetValue(origin, out AccessGroup? group) && group.TryAdd(index, offset, size, stores))
        {
            _groups[index] = group;
            return;
        }

        group = new AccessGroup(index, offset, size, stores);
        _open[origin] = _groups[index] = group;
        _found.Add(group);
    }

    /// <summary>Notes what an operation does to the register that it writes.</summary>
    /// <param name="op">The operation.</param>
    /// <param name="isCertain">It is done whenever what follows is: no branch leads over it and little else.</param>
    private void Follow(Op* op, bool isCertain)
    {
        uint writes = Operands.Of(op).Writes;
        if (writes == 0)
        {
            return;
        }

        Debug.Assert(op->Rd < Op.Sink, "a register is written");
        _registers[op->Rd] = op->Code switch
        {
            OpCode.Addi when isCertain && op->Rs1 != 0 => (_registers[op->Rs1].Origin, _registers[op->Rs1].Offset + op->Immediate),
            OpCode.Add when isCertain && op->Rs1 == 0 && op->Rs2 != 0 => _registers[op->Rs2],
            _ => (++_origins, 0),
        };
    }

    /// <summary>
    /// Keeps the groups that are worth it, and tells what has to be done again where one of them fails; false: there are none.
    /// </summary>
    private bool Keep()
    {
        int* until = stackalloc int[MostAtOnce];
        new Span<int>(until, MostAtOnce).Fill(-1);
        AccessStretch? stretch = null;
        foreach (AccessGroup group in _found)
        {
            int place = 0;
            while (place < MostAtOnce && until[place] >= group.First)
            {
                place++;
            }

            if (group.Count < 2 || place == MostAtOnce)
            {
                for (int index = group.First; index <= group.Last; index++)
                {
                    _groups[index] = _groups[index] == group ? null : _groups[index];
                }

                continue;
            }

            until[place] = group.Last;
            if (stretch is null || stretch.Last < group.First)
            {
                stretch = new AccessStretch { First = group.First };
            }

            stretch.Last = Math.Max(stretch.Last, group.Last);
            (group.Place, group.Stretch) = (place, stretch);
        }

        return stretch is not null;
    }
}

/// <summary>Accesses of a block that are checked as one.</summary>
internal sealed class AccessGroup
{
    private long _end;

    /// <summary>A group of one.</summary>
    public AccessGroup(int index, long offset, int size, bool stores) =>
        (First, Last, Lowest, _end, Stores, Count) = (index, index, offset, offset + size, stores, 1);

    /// <summary>Index of its first operation, which checks for all.</summary>
    public int First { get; }

    /// <summary>Index of its last operation.</summary>
    public int Last { get; private set; }

    /// <summary>Its operations.</summary>
    public int Count { get; private set; }

    /// <summary>The first byte that it reaches, as its register's value had it.</summary>
    public long Lowest { get; private set; }

    /// <summary>Bytes that it reaches, with those between.</summary>
    public int Bytes => (int)(_end - Lowest);

    /// <summary>Whether one of them is a store.</summary>
    public bool Stores { get; private set; }

    /// <summary>
    /// A branch may lead out of the block behind its first operation: it has no store that its first operation did not know of.
    /// </summary>
    public bool IsBehindBranch { get; set; }

    /// <summary>Where its host address is kept, of <see cref="AccessGroups.MostAtOnce"/> places.</summary>
    public int Place { get; set; }

    /// <summary>What is done one by one where it fails.</summary>
    public AccessStretch Stretch { get; set; } = null!;

    /// <summary>Takes another access, unless it lies too far away, or stores where the others may only load.</summary>
    public bool TryAdd(int index, long offset, int size, bool stores)
    {
        long lowest = Math.Min(Lowest, offset), end = Math.Max(_end, offset + size);
        if (end - lowest > AccessGroups.MostBytes || (stores && !Stores && IsBehindBranch))
        {
            return false;
        }

        (Lowest, _end, Last) = (lowest, end, index);
        Stores |= stores;
        Count++;
        return true;
    }
}

/// <summary>Operations of groups that reach into each other, and all between.</summary>
internal sealed class AccessStretch
{
    /// <summary>Index of the first operation.</summary>
    public required int First { get; init; }

    /// <summary>Index of the last operation, which is an access as the first is.</summary>
    public int Last { get; set; }
}
