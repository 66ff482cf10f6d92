using System.Diagnostics;
using System.Runtime.InteropServices;
using PsVm.Riscv.Decoding;
using PsVm.Riscv.Mmu;
using PsVm.Riscv.Translation.Units;
using static PsVm.Riscv.Translation.X64.Reg;

namespace PsVm.Riscv.Translation.X64;

/// <content>
/// Groups of accesses: the first looks into the TLB for all of them and keeps the host address of the lowest byte. Where that fails, and
/// behind whatever called C# meanwhile, the stretch is done as if there were no groups: by code of its own, that stands behind the rare
/// ways.
/// </content>
/// <remarks>
/// Why no access does what it would not have done alone: only C# on the hart's own thread changes the TLB, and between a group's check and
/// its last access none runs, since whoever called it goes on in the other code. So each access would have found the entry that the first
/// did: pages that hold code, count who writes them, or may not be written have no tag for stores, devices and parts of pages none at all,
/// and what others ask for, remote fences too, is heard where it is heard without groups, between units. Nothing of the guest is moved:
/// each access is done at its operation, and those of a group cannot trap. Atomics are in no group. A group that crosses a page fails, as
/// an access that does.
/// </remarks>
internal unsafe ref partial struct BlockTranslator
{
    /// <summary>Finds the groups of the block in hand.</summary>
    private void FindGroups()
    {
        (_groups, _held, _kept) = (AccessGroups.Of(_ops, _hasRuns ? &EndsRun : &CallsInterpreter), null, []);
        if (_groups is null)
        {
            return;
        }

        AccessGroup? held = null;
        for (int index = 0; !Decoder.IsLast(_ops[index].Code); index++)
        {
            if (_groups[index] is { } group && group.First != index && group != held)
            {
                _kept.Add(group);
            }

            held = HeldBehind(index, held);
        }
    }

    /// <summary>The group whose host address is in rdx behind an operation.</summary>
    private readonly AccessGroup? HeldBehind(int index, AccessGroup? held)
    {
        Op* op = _ops + index;
        return _groups?[index] ?? (op->Code switch
        {
            OpCode.Fence or OpCode.Pause => held,
            >= OpCode.Beq and <= OpCode.Bgeu => Skippable(op) == 0 ? held : null,
            _ => KeepsRdx(op->Code) ? held : null,
        });
    }

    /// <summary>Whether the code of an operation that computes uses neither rdx nor C#.</summary>
    private static bool KeepsRdx(OpCode code) => code is >= OpCode.LoadImmediate and <= OpCode.Sraw
        or >= OpCode.Sh1add and <= OpCode.SlliUw or OpCode.Andn or OpCode.Orn or OpCode.Xnor
        or >= OpCode.SextB and <= OpCode.ZextH or OpCode.Mul or OpCode.Mulw;

    /// <summary>Whether an operation may be the interpreter's each time: all but those that are known to be done in line.</summary>
    public static bool CallsInterpreter(Op* op)
    {
        OpCode code = op->Code >= OpCode.FaddD && op->Code < OpCode.Csrrw ? op->Code - (OpCode.FaddD - OpCode.FaddS) : op->Code;
        return code switch
        {
            >= OpCode.LrW and <= OpCode.AmoMaxuD => true,
            >= OpCode.FaddS and <= OpCode.FnmaddS => ((uint)op->Immediate & 7) is not (0 or DynamicRounding),
            >= OpCode.FsgnjS and <= OpCode.FsgnjxS => op->Rs1 != op->Rs2,
            >= OpCode.FeqS and <= OpCode.FleS or OpCode.FmvXW or OpCode.FmvWX => false,
            >= OpCode.FaddS and < OpCode.Csrrw => true,
            _ => false,
        };
    }

    /// <summary>
    /// Makes RAM reachable for a load or store; gives the operand, and the jump away where the TLB does not answer, or null: a group's
    /// check was that.
    /// </summary>
    private byte* Reach(Op* op, int index, int size, string tag, out Mem operand)
    {
        if (_oneByOne || _groups?[index] is not { } group)
        {
            operand = new Mem(Rax, 0, Rdx);
            return Probe(op, size, tag);
        }

        int offset = _groups.OffsetOf(index);
        Mem kept = Field(nameof(HartState.Reached)).Plus(group.Place * sizeof(ulong));
        if (index == group.First)
        {
            byte* miss = Probe(
                Use(op->Rs1, Rax), (int)op->Immediate - offset, group.Bytes, group.Stores ? nameof(TlbEntry.Write) : nameof(TlbEntry.Read));
            OtherWayOf(group.Stretch).Jumps.Add((index, (nint)miss));
            _code.Op(Alu.Add, Rdx, Rax);
            if (_kept!.Contains(group))
            {
                _code.Mov(kept, Rdx);
            }
        }
        else if (group != _held)
        {
            Debug.Assert(_kept!.Contains(group), "what rdx does not hold is kept");
            _code.Mov(Rdx, kept);
        }

        operand = new Mem(Rdx, offset);
        return null;
    }

    /// <summary>As <see cref="Reach"/> leaves rax, rdx and the flags, by a routine: small, not fast.</summary>
    private byte* ProbeByRoutine(Op* op, int size, string tag)
    {
        _code.Lea(Rax, new Mem(Use(op->Rs1, Rax), (int)op->Immediate));
        _code.Mov(Rcx, size);
        CallOut(tag == nameof(TlbEntry.Read) ? _stubs.ProbeLoad : _stubs.ProbeStore);
        return _code.Jcc(Cond.NotEqual);
    }

    /// <summary>A load or store in the other way: small, not fast.</summary>
    private void OneByOne(Op* op, int index)
    {
        _code.Lea(Rax, new Mem(Use(op->Rs1, Rax), (int)op->Immediate));
        AccessByRoutine(op, index);
        if (EndsAfterStoreIntoCode(op))
        {
            _code.Op(Alu.Cmp, Field(nameof(HartState.Limit)), 0);
            AddLate(LateKind.Rest, _code.Jcc(Cond.Equal), null, op + 1, index + 1);
        }
    }

    private OtherWay OtherWayOf(AccessStretch stretch)
    {
        _otherWays ??= [];
        if (_otherWays.Count == 0 || _otherWays[^1].Stretch != stretch)
        {
            _otherWays.Add(new OtherWay(stretch, (nint)_ops, _unitIsOn, _unitIsDirty, _roundsToNearest, _boxed) { Origin = _origin });
        }

        return _otherWays[^1];
    }

    /// <summary>Notes that an operation is written.</summary>
    private void Behind(int index)
    {
        if (_oneByOne)
        {
            return;
        }

        _held = HeldBehind(index, _held);
        if (_groups?[index]?.Stretch is { } stretch && stretch.Last == index)
        {
            OtherWayOf(stretch).Back = (nint)_code.At;
        }
    }

    /// <summary>The other way, where an operation is amidst a stretch that may be done in one.</summary>
    private readonly OtherWay? OtherWayAround(Late late) => _oneByOne ? null : _otherWays?.Find(way => way.IsAmidst((nint)late.Op));

    /// <summary>
    /// Goes on after a rare way that has called C#, or moved entries of the TLB about: amidst a stretch, behind the operation in the other
    /// way.
    /// </summary>
    private void GoOn(Late late, Cond? condition = null)
    {
        byte* target = late.Back;
        if (OtherWayAround(late) is { } other)
        {
            byte* jump = condition is { } only ? _code.Jcc(only) : _code.Jmp();
            other.Jumps.Add((late.Index + 1, (nint)jump));
        }
        else if (condition is { } when)
        {
            _code.Jcc(when, target);
        }
        else
        {
            _code.Jmp(target);
        }
    }

    /// <summary>Writes the stretches of groups once more, without them; false: there are none.</summary>
    private bool OtherWays()
    {
        if (_oneByOne || _otherWays is null)
        {
            return false;
        }

        _oneByOne = true;
        foreach (OtherWay way in _otherWays)
        {
            _ops = (Op*)way.Ops;
            _origin = way.Origin;
            (_unitIsOn, _unitIsDirty, _roundsToNearest, _boxed) = (way.UnitIsOn, way.UnitIsDirty, way.RoundsToNearest, way.Boxed);
            _way = way;
            Operations(_ops + way.Stretch.First, _ops + way.Stretch.Last);
            _way = null;
            Debug.Assert(way.Bound == way.Jumps.Count, "all ways into the stretch lead somewhere");
            _code.Jmp((byte*)way.Back);
        }

        return true;
    }

    /// <summary>Where an operation's code begins in the other way.</summary>
    private readonly void BeginOther(int index)
    {
        foreach ((int at, nint jump) in _way?.Jumps ?? [])
        {
            if (at == index)
            {
                _code.BindHere((byte*)jump);
                _way!.Bound++;
            }
        }
    }

    /// <summary>Leaves the straight line where a branch is taken.</summary>
    private void ExitIf(Cond condition, Op* op, int index)
    {
        if (_oneByOne && _sideExits!.TryGetValue((nint)op, out nint place))
        {
            _code.Jcc(condition, (byte*)place);
        }
        else
        {
            AddLate(LateKind.SideExit, _code.Jcc(condition), null, op, index + 1, op->Immediate);
        }
    }

    /// <summary>Ends at an operation that C# says, by rax, has failed.</summary>
    private void FaultIfFailed(Op* op, int index)
    {
        _code.Test(Rax, Rax, wide: false);
        if (_faults is not null && _faults.TryGetValue((nint)op, out nint place))
        {
            _code.Jcc(Cond.Equal, (byte*)place);
        }
        else
        {
            AddLate(LateKind.Fault, _code.Jcc(Cond.Equal), null, op, index);
        }
    }

    /// <summary>
    /// A stretch that is written twice: where it is entered, by the index of the operation, and what is known where it begins.
    /// </summary>
    public sealed class OtherWay(
        AccessStretch stretch, nint ops, bool unitIsOn, bool unitIsDirty, bool roundsToNearest, uint boxed)
    {
        public AccessStretch Stretch => stretch;

        public nint Ops => ops;

        /// <summary>Where its page begins.</summary>
        public int Origin { get; init; }

        public bool UnitIsOn => unitIsOn;

        public bool UnitIsDirty => unitIsDirty;

        public bool RoundsToNearest => roundsToNearest;

        public uint Boxed => boxed;

        public List<(int Index, nint Jump)> Jumps { get; } = [];

        public nint Back { get; set; }

        /// <summary>Jumps that have been bound.</summary>
        public int Bound { get; set; }

        /// <summary>Whether an operation is one of the stretch, but not the last.</summary>
        public bool IsAmidst(nint op) =>
            op >= ops + (stretch.First * sizeof(Op)) && op < ops + (stretch.Last * sizeof(Op));
    }
}
