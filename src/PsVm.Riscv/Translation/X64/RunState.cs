using System.Diagnostics;
using PsVm.Riscv.Translation.Units;
using static PsVm.Riscv.Translation.X64.Reg;

namespace PsVm.Riscv.Translation.X64;

/// <summary>Where the values of a run are while its code is written. Emits nothing.</summary>
internal sealed class RunState
{
    /// <summary>The last place for values in the state, which is for moves in a circle.</summary>
    public const int Aside = ValueRun.MostSpilled - 1;

    private const int HostRegisters = 16, Uncertain = -1;

    private readonly Value?[] _held = new Value?[HostRegisters];
    private readonly Value?[] _spilled = new Value?[Aside];
    private readonly Value?[] _hinted = new Value?[HostRegisters];
    private readonly Location[] _locations; // by the places of values
    private readonly int[] _clobbers;
    private readonly RegisterMap _map;

    /// <param name="run">The run.</param>
    /// <param name="map">Where guest registers are where it begins and ends.</param>
    /// <param name="clobbers">Whether the code at a value's place uses rcx and rdx.</param>
    public RunState(ValueRun run, RegisterMap map, Func<Value, bool> clobbers)
    {
        (Run, _map) = (run, map);
        Pool = map.HasMoreHosts ? RegisterMap.MoreHosts : RegisterMap.Hosts;
        _locations = new Location[run.Values.Count];
        _clobbers = new int[run.Values.Count + 2];
        Array.Fill(_clobbers, int.MaxValue);
        for (int at = run.Values.Count - 1; at >= 0; at--)
        {
            Value value = run.Values[at];
            _clobbers[at] = value.IsNeeded && clobbers(value) ? at : _clobbers[at + 1];
        }

        for (int register = 1; register < 32; register++)
        {
            if (run.Input(register) is { } input)
            {
                Reg? home = map.Integer(register);
                _locations[input.At] = new Location { Slot = home is null ? register : Uncertain };
                if (home is { } host)
                {
                    Hold(host, input);
                }
            }

            if (map.Integer(register) is { } place && run.Visible[register] is { Kind: not ValueKind.Constant } last)
            {
                _hinted[(int)place] = last;
                if (last.Final == 0 || map.Integer(last.Final) is null)
                {
                    last.Final = register;
                }
            }
        }
    }

    /// <summary>The run.</summary>
    public ValueRun Run { get; }

    /// <summary>Host registers that values may be in, besides rcx and rdx.</summary>
    public Reg[] Pool { get; }

    /// <summary>The place of the value in hand.</summary>
    public int At { get; set; }

    /// <summary>Host registers, as bits, that its operands are in.</summary>
    public uint Pinned { get; set; }

    /// <summary>What a host register holds.</summary>
    public Value? Held(Reg register) => _held[(int)register];

    /// <summary>Whether a host register holds nothing.</summary>
    public bool IsFree(Reg register) => _held[(int)register] is null;

    /// <summary>The host register that a value is in, or null.</summary>
    public Reg? RegisterOf(Value value) => _locations[value.At].Register;

    /// <summary>Whether a value's register or place has its low 32 bits only.</summary>
    public bool IsWordOnly(Value value) => _locations[value.At].IsWordOnly;

    /// <summary>Notes whether a register has the low 32 bits of a value only.</summary>
    public void SetWordOnly(Value value, bool isWordOnly) => _locations[value.At] = _locations[value.At] with { IsWordOnly = isWordOnly };

    /// <summary>Where in the state a value is, or null.</summary>
    public Mem? PlaceOf(Value value)
    {
        ref readonly Location location = ref _locations[value.At];
        return location.Slot > 0
            ? BlockTranslator.Slot(location.Slot)
            : location.Place > 0 ? BlockTranslator.Spilled(location.Place - 1) : null;
    }

    /// <summary>The host register that a value should be in where the run ends, or null.</summary>
    public Reg? HomeOf(Value value) => value.Final == 0 ? null : _map.Integer(value.Final);

    /// <summary>Puts a value into a register.</summary>
    public void Hold(Reg register, Value value, bool isWordOnly = false)
    {
        Debug.Assert(_held[(int)register] is null, "a register holds one value");
        _held[(int)register] = value;
        Location known = _locations[value.At];
        _locations[value.At] = known with { Register = register, IsWordOnly = isWordOnly || known.IsWordOnly };
    }

    /// <summary>Empties a register.</summary>
    public void Release(Reg register)
    {
        if (_held[(int)register] is { } value)
        {
            _held[(int)register] = null;
            _locations[value.At] = _locations[value.At] with { Register = null };
        }
    }

    /// <summary>Empties registers and places of values that nobody needs from the place in hand on.</summary>
    /// <param name="after">Not at the place in hand itself either.</param>
    public void ReleaseDead(bool after)
    {
        int needed = after ? At + 1 : At;
        for (int i = 0; i < HostRegisters; i++)
        {
            if (_held[i] is { } value && value.LastUse < needed)
            {
                Release((Reg)i);
            }
        }

        for (int i = 0; i < _spilled.Length; i++)
        {
            if (_spilled[i] is { } value && value.LastUse < needed)
            {
                _spilled[i] = null;
            }
        }
    }

    /// <summary>Whether rcx and rdx stay as they are from a place until a value is needed for the last time.</summary>
    public bool StaysUntouched(Value value, int from) => _clobbers[Math.Min(from, _clobbers.Length - 1)] > value.LastUse;

    /// <summary>Chooses a free register for a value, or null: the one it should end in, or one that no other soon should be in.</summary>
    /// <param name="value">The value.</param>
    /// <param name="from">The first place at which rcx and rdx have to stay as they are.</param>
    /// <param name="besides">Registers, as bits, that are not to be had.</param>
    public Reg? Choose(Value value, int from, uint besides)
    {
        bool Has(Reg register) => IsFree(register) && (besides >> (int)register & 1) == 0;
        if (HomeOf(value) is { } home && Has(home))
        {
            return home;
        }

        if (StaysUntouched(value, from))
        {
            if (Has(Rdx))
            {
                return Rdx;
            }

            if (Has(Rcx))
            {
                return Rcx;
            }
        }

        Reg? best = null;
        int bestUntil = -1;
        foreach (Reg register in Pool)
        {
            int until = _hinted[(int)register] is { } hinted && hinted.At > At ? hinted.At : int.MaxValue;
            if (Has(register) && until > bestUntil)
            {
                (best, bestUntil) = (register, until);
            }
        }

        return best;
    }

    /// <summary>The value of the pool's registers that is needed latest, to make room.</summary>
    public Value? Furthest(uint besides)
    {
        Value? furthest = null;
        int latest = -1;
        foreach (Reg register in Pool)
        {
            if ((besides >> (int)register & 1) != 0 || Held(register) is not { } value)
            {
                continue;
            }

            // What has a place already, or is a number, costs nothing now.
            int next = value.NextUse(At + 1);
            int weight = next == int.MaxValue ? int.MaxValue / 2 : next * 2;
            weight += value.Kind == ValueKind.Constant || PlaceOf(value) is not null ? 1 : 0;
            if (weight > latest)
            {
                (furthest, latest) = (value, weight);
            }
        }

        return furthest;
    }

    /// <summary>Gives a value a place in the state; null: there is none.</summary>
    public Mem? Spill(Value value)
    {
        if (value.Kind == ValueKind.Input)
        {
            Place(value, (int)value.Immediate); // its own slot: nobody else writes that while it is needed
            return PlaceOf(value);
        }

        int register = value.Final;
        if (register != 0 && _map.Integer(register) is null && Run.Visible[register] == value && Run.AssignedAt(register) <= At
            && (Run.Input(register) is not { } input || input.LastUse < At))
        {
            Place(value, register);
            return PlaceOf(value);
        }

        int place = Array.IndexOf(_spilled, null);
        if (place < 0)
        {
            return null;
        }

        _spilled[place] = value;
        _locations[value.At] = _locations[value.At] with { Place = place + 1 };
        return PlaceOf(value);
    }

    private void Place(Value value, int slot) => _locations[value.At] = _locations[value.At] with { Slot = slot };

    private readonly record struct Location
    {
        public Reg? Register { get; init; }

        /// <summary>A guest register whose slot in the state it is in, if more than 0.</summary>
        public int Slot { get; init; }

        /// <summary>Its place in the state, counted from 1; 0: none.</summary>
        public int Place { get; init; }

        public bool IsWordOnly { get; init; }
    }
}
