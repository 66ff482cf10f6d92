using PsVm.Riscv.Translation.Units;
using static PsVm.Riscv.Translation.X64.Reg;

namespace PsVm.Riscv.Translation.X64;

/// <summary>Which guest registers live in host registers, and in which. All others are in the state.</summary>
internal sealed class RegisterMap
{
    /// <summary>Host registers that can hold guest registers.</summary>
    public static readonly Reg[] Hosts = [Rbx, R12, R13, Rsi, Rdi, R8, R9, R10, R11];

    /// <summary>
    /// Host registers that a loop can have besides, when it needs many: r14 points to the TLB and r15 counts instructions everywhere
    /// else, and in such a loop both are in the state.
    /// </summary>
    public static readonly Reg[] MoreHosts = [.. Hosts, R14, R15];

    /// <summary>The first host floating point register that can hold a guest's; those before it are scratch.</summary>
    public const int FirstFloat = 3;

    /// <summary>How many can.</summary>
    public const int FloatCount = 16 - FirstFloat;

    /// <summary>What holds between units of code: the registers that compilers use most.</summary>
    public static readonly RegisterMap Canonical = new([15, 14, 10, 13, 2, 11, 8, 12, 9], []);

    private const int LeftToValues = 3;

    private const sbyte None = -1;
    private readonly sbyte[] _integers = new sbyte[33];
    private readonly sbyte[] _floats = new sbyte[32];

    /// <summary>Puts registers into host registers, each into the one that the canonical map gives it, where it gives one.</summary>
    /// <param name="integers">Guest integer registers, as many as <see cref="MoreHosts"/> at most.</param>
    /// <param name="floats">Guest floating point registers, <see cref="FloatCount"/> at most.</param>
    /// <param name="hasMoreHosts">Whether r14 and r15 are to be had, however few guest registers there are.</param>
    public RegisterMap(IReadOnlyList<int> integers, IReadOnlyList<int> floats, bool hasMoreHosts = false)
    {
        HasMoreHosts = hasMoreHosts || integers.Count > Hosts.Length;
        Array.Fill(_integers, None);
        Array.Fill(_floats, None);
        List<Reg> free = [.. MoreHosts];
        if (Canonical is { } canonical) // not while that map itself is made
        {
            foreach (int register in integers)
            {
                if (canonical.Integer(register) is { } home)
                {
                    _integers[register] = (sbyte)home;
                    free.Remove(home);
                }
            }
        }

        int next = 0;
        foreach (int register in integers.Where(register => _integers[register] == None))
        {
            _integers[register] = (sbyte)free[next++];
        }

        for (int i = 0; i < floats.Count; i++)
        {
            _floats[floats[i]] = (sbyte)(FirstFloat + i);
        }

        Integers = [.. Enumerable.Range(1, 31).Where(register => Integer(register) is not null)];
        Floats = [.. floats];
        Moved = [.. Integers.Where(register => Integer(register) != Canonical?.Integer(register))];
        Displaced = [.. Canonical?.Integers.Where(register => Integer(register) != Canonical.Integer(register)) ?? []];
    }

    /// <summary>
    /// The map of a loop: what it uses most is in host registers. Where they are too few for all, some are left to the values of runs.
    /// </summary>
    public static RegisterMap For(LoopUnit loop)
    {
        bool few = loop.IntegersByUse.Count > MoreHosts.Length;
        int most = MoreHosts.Length - (few && !loop.UsesFloats ? LeftToValues : 0);
        return new RegisterMap([.. loop.IntegersByUse.Take(most)], [.. loop.FloatsByUse.Take(FloatCount)], few);
    }

    /// <summary>Whether r14 and r15 hold guest registers, too.</summary>
    public bool HasMoreHosts { get; }

    /// <summary>Guest integer registers that live in host registers.</summary>
    public int[] Integers { get; }

    /// <summary>Guest floating point registers that do.</summary>
    public int[] Floats { get; }

    /// <summary>Those of <see cref="Integers"/> that the canonical map has elsewhere or not at all.</summary>
    public int[] Moved { get; }

    /// <summary>Integer registers that the canonical map has in a host register, and this one not in the same.</summary>
    public int[] Displaced { get; }

    /// <summary>The host register of a guest register, or null.</summary>
    public Reg? Integer(int register) => _integers[register] is var host and not None ? (Reg)host : null;

    /// <summary>The host floating point register of a guest's, or null.</summary>
    public byte? Float(int register) => _floats[register] is var host and not None ? (byte)host : null;
}
