using System.Diagnostics;

namespace PsVm.Riscv;

/// <summary>
/// Where one hart's time goes: exact counts of what it did, and samples that a thread asks for. Off unless the switch of
/// <see cref="SwitchName"/> is set before the first hart is made; the just-in-time compiler leaves out what is off.
/// </summary>
/// <param name="hart">The hart.</param>
internal sealed unsafe class HartProfile(Hart hart)
{
    /// <summary>The name of the <see cref="AppContext"/> switch.</summary>
    public const string SwitchName = "PsVm.Riscv.Profile";

    /// <summary>Whether harts are profiled.</summary>
    public static readonly bool IsOn = AppContext.TryGetSwitch(SwitchName, out bool on) && on;

    // With those that have ended guarded by itself.
    private static readonly List<HartProfile> s_all = [];
    private static HartProfileCounts s_ofEnded = HartProfileCounts.None();

    private readonly Lock _gate = new();
    private readonly long[] _counts = new long[Enum.GetValues<HartWork>().Length];
    private readonly Dictionary<ulong, long> _traps = [];
    private readonly ulong[] _taken = new ulong[16];
    private Dictionary<HartSample, long> _samples = [];
    private int _work;
    private int _asked;
    private int _askedDuring;
    private long _emptyLookups;
    private ulong _instructions;
    private HartCodeExits _exits = new();

    /// <summary>The profile of a new hart; null: harts are not profiled.</summary>
    public static HartProfile? TryMake(Hart hart) => IsOn ? Make(hart) : null;

    /// <summary>A profile of a hart, which <see cref="End"/>s before the hart does.</summary>
    public static HartProfile Make(Hart hart)
    {
        HartProfile made = new(hart);
        lock (s_all)
        {
            s_all.Add(made);
        }

        return made;
    }

    /// <summary>
    /// Asks each hart that runs for a sample: what it is doing now, and at which instruction it comes out. From any thread, one at a time.
    /// </summary>
    public static void AskAll()
    {
        lock (s_all)
        {
            foreach (HartProfile profile in s_all)
            {
                profile.Ask();
            }
        }
    }

    /// <summary>What was counted and sampled since it was asked for last, of all harts together.</summary>
    public static HartProfileCounts TakeAll()
    {
        lock (s_all)
        {
            (HartProfileCounts sum, s_ofEnded) = (s_ofEnded, HartProfileCounts.None());
            foreach (HartProfile profile in s_all)
            {
                sum = profile.TakeInto(sum);
            }

            return sum;
        }
    }

    /// <summary>The hart is about to be no more: what is not taken yet is kept for who takes it next.</summary>
    public void End()
    {
        lock (s_all)
        {
            if (s_all.Remove(this))
            {
                s_ofEnded = TakeInto(s_ofEnded);
            }
        }
    }

    /// <summary>From here to the end of the scope the hart's thread does some work.</summary>
    public static Scope During(HartProfile? profile, HartWork work) => IsOn ? new Scope(profile!, work) : default;

    /// <summary>A block was not in the jump table. On the hart's thread.</summary>
    /// <param name="profile">The hart's profile.</param>
    /// <param name="isEmpty">Nothing was in its place, so it was forgotten or never known; else another block was.</param>
    public static void CountLookup(HartProfile? profile, bool isEmpty)
    {
        if (IsOn && isEmpty)
        {
            profile!._emptyLookups++;
        }
    }

    /// <summary>A trap was taken. On the hart's thread.</summary>
    public static void CountTrap(HartProfile? profile, ulong cause)
    {
        if (IsOn)
        {
            lock (profile!._gate)
            {
                profile._traps[cause] = profile._traps.GetValueOrDefault(cause) + 1;
            }
        }
    }

    /// <summary>The hart has come out of its block. On the hart's thread.</summary>
    public void Sample()
    {
        if (Volatile.Read(ref _asked) == 0)
        {
            return;
        }

        HartSample sample = new((HartWork)_askedDuring, hart.Mode, hart.Pc);
        lock (_gate)
        {
            _samples[sample] = _samples.GetValueOrDefault(sample) + 1;
        }

        Volatile.Write(ref _asked, 0);
    }

    private void Ask()
    {
        if (hart.IsRunning && Volatile.Read(ref _asked) == 0)
        {
            _askedDuring = Volatile.Read(ref _work);
            Volatile.Write(ref _asked, 1);
            hart.RequestSample();
        }
    }

    private HartProfileCounts TakeInto(HartProfileCounts sum)
    {
        lock (_gate)
        {
            for (int work = 0; work < _counts.Length; work++)
            {
                sum.Counts[work] += Interlocked.Exchange(ref _counts[work], 0);
            }

            foreach ((HartSample sample, long times) in _samples)
            {
                sum.Samples[sample] = sum.Samples.GetValueOrDefault(sample) + times;
            }

            foreach ((ulong cause, long times) in _traps)
            {
                sum.Traps[cause] = sum.Traps.GetValueOrDefault(cause) + times;
            }

            for (int cause = 0; cause < _taken.Length; cause++)
            {
                ulong taken = hart.State->TrapsByCause[cause];
                if (taken != _taken[cause])
                {
                    sum.Traps[(ulong)cause] = sum.Traps.GetValueOrDefault((ulong)cause) + (long)(taken - _taken[cause]);
                    _taken[cause] = taken;
                }
            }

            _samples = [];
            _traps.Clear();
        }

        HartCodeExits exits = hart.CodeExits, sinceThen = exits.Add(_exits, -1);
        ulong instructions = hart.InstructionsRetired, more = instructions - _instructions;
        (_exits, _instructions) = (exits, instructions);
        return sum with
        {
            Exits = sum.Exits.Add(sinceThen),
            Instructions = sum.Instructions + more,
            EmptyLookups = sum.EmptyLookups + Interlocked.Exchange(ref _emptyLookups, 0),
        };
    }

    /// <summary>Some work, within other work.</summary>
    public readonly ref struct Scope
    {
        private readonly HartProfile? _profile;
        private readonly int _outer;

        /// <summary>Begins it.</summary>
        public Scope(HartProfile profile, HartWork work)
        {
            Debug.Assert(IsOn, "who asks knows");
            _profile = profile;
            _outer = profile._work;
            profile._counts[(int)work]++;
            Volatile.Write(ref profile._work, (int)work);
        }

        /// <summary>Ends it.</summary>
        public void Dispose()
        {
            if (IsOn)
            {
                Volatile.Write(ref _profile!._work, _outer);
            }
        }
    }
}

/// <summary>A moment of a hart.</summary>
/// <param name="Work">What its thread did.</param>
/// <param name="Mode">The mode it came out in.</param>
/// <param name="Pc">Where the block begins that came next.</param>
internal readonly record struct HartSample(HartWork Work, PrivilegeMode Mode, ulong Pc);

/// <summary>What some harts did for some time.</summary>
/// <param name="Counts">How often each <see cref="HartWork"/> began.</param>
/// <param name="Samples">The samples.</param>
/// <param name="Traps">Traps by cause.</param>
/// <param name="Exits">Why translated code was left.</param>
/// <param name="Instructions">Instructions retired.</param>
/// <param name="EmptyLookups">Lookups whose place in the jump table was empty; the others found another block there.</param>
internal sealed record HartProfileCounts(
    long[] Counts,
    Dictionary<HartSample, long> Samples,
    Dictionary<ulong, long> Traps,
    HartCodeExits Exits,
    ulong Instructions = 0,
    long EmptyLookups = 0)
{
    /// <summary>Nothing, to add to.</summary>
    public static HartProfileCounts None() => new(new long[Enum.GetValues<HartWork>().Length], [], [], new HartCodeExits());
}
