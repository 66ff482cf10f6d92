using PsVm.Riscv.Translation.Units;
using static PsVm.Riscv.Translation.X64.Reg;

namespace PsVm.Riscv.Translation.X64;

/// <content>
/// The registers of a run: values are in host registers from where they are computed until nobody needs them; where there are too many, the
/// one that is needed latest waits in the state. Where the run is left and where it ends, they are brought to where the guest's registers
/// live.
/// </content>
internal unsafe ref partial struct BlockTranslator
{
    /// <summary>A place of the state where a value of a run waits.</summary>
    public static Mem Spilled(int place) => Field(nameof(HartState.Spilled)).Plus(place * sizeof(ulong));

    /// <summary>A register that has a value, which stays there until the value in hand is done.</summary>
    private Reg InRegister(Value value)
    {
        if (_run!.RegisterOf(value) is not { } register)
        {
            register = Take(value, _run.At, 0);
            Fetch(register, value);
            _run.Hold(register, value);
        }

        _run.Pinned |= 1u << (int)register;
        return register;
    }

    private void Fetch(Reg to, Value value)
    {
        if (_run!.RegisterOf(value) is { } register)
        {
            _code.Mov(to, register);
        }
        else if (value.Kind == ValueKind.Constant)
        {
            _code.Mov(to, value.Immediate);
        }
        else
        {
            _code.Mov(to, _run.PlaceOf(value)!.Value);
        }
    }

    /// <summary>
    /// Whether an operand is best left in the state: it is there, and nobody computes with it later, or there is no register for it.
    /// </summary>
    private readonly bool IsBestInMemory(Value value) =>
        _run!.RegisterOf(value) is null && value.Kind != ValueKind.Constant
        && (value.NextUse(_run.At + 1) == int.MaxValue || _run.Choose(value, _run.At, _run.Pinned) is null);

    /// <summary>A register for the result of the value in hand, other than those of its operands.</summary>
    private Reg ResultBeside(Value value)
    {
        Reg register = Take(value, _run!.At + 1, _run.Pinned);
        _run.Hold(register, value);
        return register;
    }

    /// <summary>As <see cref="ResultBeside"/>, when one instruction reads all operands and then writes it.</summary>
    private Reg ResultOver(Value value)
    {
        _run!.ReleaseDead(after: true);
        Reg register = Take(value, _run.At + 1, 0);
        _run.Hold(register, value);
        return register;
    }

    /// <summary>A register that has the first operand already, and takes the result.</summary>
    private Reg ResultFrom(Value value, Value first)
    {
        if (_run!.RegisterOf(first) is { } own && first.LastUse <= _run.At
            && !(_run.HomeOf(value) is { } home && home != own && _run.IsFree(home))
            && (own is not (Rcx or Rdx) || _run.StaysUntouched(value, _run.At + 1)))
        {
            _run.Release(own);
            _run.Hold(own, value);
            _run.Pinned |= 1u << (int)own;
            return own;
        }

        if (_run.RegisterOf(first) is { } source)
        {
            _run.Pinned |= 1u << (int)source;
        }

        Reg register = ResultBeside(value);
        Fetch(register, first);
        _run.Pinned |= 1u << (int)register;
        return register;
    }

    /// <summary>A free register for a value; makes room where there is none.</summary>
    private Reg Take(Value value, int from, uint besides)
    {
        // Its home, if what is there has a free one of its own.
        if (_run!.HomeOf(value) is { } home && _run.Held(home) is { } guest && (_run.Pinned >> (int)home & 1) == 0
            && _run.HomeOf(guest) is { } other && other != home && _run.IsFree(other) && (_run.Pinned >> (int)other & 1) == 0)
        {
            bool isWordOnly = _run.IsWordOnly(guest);
            _code.Mov(other, home);
            _run.Release(home);
            _run.Hold(other, guest, isWordOnly);
        }

        if (_run.Choose(value, from, besides) is { } free)
        {
            return free;
        }

        Value leaving = _run.Furthest(besides | _run.Pinned) ?? throw new RunException("no register can be made free");
        Reg register = _run.RegisterOf(leaving)!.Value;
        if (leaving.Kind != ValueKind.Constant && _run.PlaceOf(leaving) is null)
        {
            Mem place = _run.Spill(leaving) ?? throw new RunException("no place is left for values");
            _code.Mov(place, register);
        }

        _run.Release(register);
        return register;
    }

    /// <summary>What has to be moved so that the guest's registers are where the map has them.</summary>
    private readonly List<RunMove> MovesHome(Value?[] visible)
    {
        List<RunMove> moves = [];
        for (int register = 1; register < visible.Length; register++)
        {
            if (visible[register] is not { } value)
            {
                continue;
            }

            RunPlace to = Mapped(register) is { } home ? RunPlace.In(home) : RunPlace.At(Slot(register));
            Mem? place = _run!.PlaceOf(value);
            RunPlace from = _run.RegisterOf(value) is { } held
                ? RunPlace.In(held)
                : place is { } memory ? RunPlace.At(memory) : RunPlace.None;
            if (!to.IsRegister && place is { } own && RunPlace.At(own).Is(to))
            {
                from = to; // it is where it belongs, though it is in a register, too
            }

            bool extends = _run.IsWordOnly(value);
            if (!from.Is(to) || extends)
            {
                moves.Add(new RunMove(to, from, value.Immediate, extends));
            }
        }

        return moves;
    }

    /// <summary>Does moves as if at once. Uses rax.</summary>
    private void Move(List<RunMove> moves)
    {
        RunMove[] all = [.. moves];
        for (Span<RunMove> open = all; open.Length != 0;)
        {
            int ready = FirstReady(open);
            if (ready >= 0)
            {
                Move(open[ready]);
                open[(ready + 1)..].CopyTo(open[ready..]);
                open = open[..^1];
                continue;
            }

            // A circle: what is in the way waits elsewhere.
            RunPlace taken = open[0].To, aside = RunPlace.At(Spilled(RunState.Aside));
            if (!taken.IsRegister)
            {
                _code.Mov(Rax, taken.Memory);
            }

            _code.Mov(aside.Memory, taken.IsRegister ? taken.Register : Rax);
            foreach (ref RunMove move in open)
            {
                move = move.From.Is(taken) ? move.Taking(aside) : move;
            }
        }
    }

    /// <summary>The first move to where no other has to come from before; less than 0: there is none.</summary>
    private static int FirstReady(ReadOnlySpan<RunMove> moves)
    {
        for (int i = 0; i < moves.Length; i++)
        {
            int other = 0;
            while (other < moves.Length && (other == i || !moves[other].From.Is(moves[i].To)))
            {
                other++;
            }

            if (other == moves.Length)
            {
                return i;
            }
        }

        return -1;
    }

    private void Move(RunMove move)
    {
        Reg to = move.To.IsRegister ? move.To.Register : Rax;
        if (!move.From.IsAny)
        {
            if (!move.To.IsRegister && move.Number == (int)move.Number)
            {
                _code.Mov(move.To.Memory, (int)move.Number);
                return;
            }

            _code.Mov(to, move.Number);
        }
        else if (move.From.IsRegister)
        {
            if (move.Extends)
            {
                _code.Extend(to, move.From.Register, 4, signed: true);
            }
            else if (!move.To.IsRegister)
            {
                to = move.From.Register;
            }
            else
            {
                _code.Mov(to, move.From.Register);
            }
        }
        else
        {
            _code.Load(to, move.From.Memory, move.Extends ? 4 : 8, move.Extends);
        }

        if (!move.To.IsRegister)
        {
            _code.Mov(move.To.Memory, to);
        }
    }

    /// <summary>The run has more values at once than there are places.</summary>
    private sealed class RunException(string message) : Exception(message);
}
