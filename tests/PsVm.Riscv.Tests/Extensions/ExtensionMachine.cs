using static PsVm.Riscv.Tests.Asm;

namespace PsVm.Riscv.Tests.Extensions;

/// <summary>Which tier runs what is tested.</summary>
public enum Tier
{
    Interpreter,
    Translator,
}

/// <summary>A hart of some profile whose programs stop at the first trap, in either tier.</summary>
internal sealed class ExtensionMachine : IDisposable
{
    public const ulong Code = TestMachine.RamBase, Handler = Code + 0x8000, Data = Code + 0x10000;
    public const int Mstatus = 0x300, Mtvec = 0x305, Menvcfg = 0x30a, Senvcfg = 0x10a, Mepc = 0x341, Mcause = 0x342, Mtval = 0x343;
    public const ulong IllegalInstruction = 2, LoadAccessFault = 5, StoreAccessFault = 7, StorePageFault = 15;
    private const ulong FloatOn = 1ul << 13;
    private readonly CodeCache _cache;

    public ExtensionMachine(Tier tier, IsaProfile? isa = null, ulong? rom = null)
    {
        Skip.IfNot(tier == Tier.Interpreter || Translation.HostBackEnd.IsSupported, "this host runs no translated code");
        _cache = new CodeCache(tier == Tier.Interpreter ? TranslatorOptions.Off : new TranslatorOptions { Threshold = 1 });
        Machine = new TestMachine(code: _cache, isa: isa ?? IsaProfile.Full, rom: rom) { FixedTime = 0 };
        Machine.Program(Handler, Jal(Zero, 0));
        Set(Mtvec, Handler);
        Set(Mstatus, FloatOn);
        Set(0x3b0, ulong.MaxValue); // below machine mode all memory may be accessed
        Set(0x3a0, 0x1f);
    }

    public TestMachine Machine { get; }

    public Hart Hart => Machine.Hart;

    public ulong Cause => Get(Mcause);

    public ulong Value => Get(Mtval);

    /// <summary>Runs instructions in a mode, and a jump to themselves behind them; gives the cause of a trap, or 0.</summary>
    public ulong Run(PrivilegeMode mode, params uint[] instructions)
    {
        Machine.Program(Code, [.. instructions, Jal(Zero, 0)]);
        Machine.Memory.NotifyWritten(Code, 4096);
        Set(Mcause, 0);
        Hart.Pc = Code;
        Hart.Mode = mode;
        Hart.Run((ulong)instructions.Length + 16);
        ulong cause = Cause;
        Assert.Equal(cause == 0 ? Code + ((ulong)instructions.Length * 4) : Handler, Hart.Pc);
        return cause;
    }

    public ulong Run(params uint[] instructions) => Run(PrivilegeMode.Machine, instructions);

    public void Set(int number, ulong value) => Assert.True(Hart.TryWriteCsr(number, value));

    public ulong Get(int number)
    {
        Assert.True(Hart.TryReadCsr(number, out ulong value));
        return value;
    }

    /// <summary>
    /// Runs this hart and another on one host thread, by a program at <see cref="Code"/> in which they take turns: a0 is where it stands
    /// whose turn it is, a2 the hart's number and a3 the other's, a4 the turns it has had, of a5.
    /// </summary>
    /// <param name="turns">How many each is to have.</param>
    /// <param name="most">Instructions that both may take for that together, so that neither spins.</param>
    /// <param name="onExit">Told why a hart has left the thread.</param>
    public void RunInTurns(ulong turns, long most, Action<HartExit> onExit)
    {
        using var other = new Hart(1, Machine.Memory, Machine, Machine, isa: IsaProfile.Full);
        Hart[] harts = [Hart, other];
        foreach (Hart hart in harts)
        {
            hart.Pc = Code;
            hart[A0] = Data;
            (hart[A2], hart[A3], hart[A5]) = ((ulong)hart.Id, 1 - (ulong)hart.Id, turns);
        }

        for (int round = 0; round < 10_000 && harts.Any(hart => hart[A4] != turns); round++)
        {
            Array.ForEach(harts, hart => onExit(hart.Run(10_000)));
        }

        Assert.All(harts, hart => Assert.Equal(turns, hart[A4]));
        Assert.True(harts.Sum(hart => (long)hart.InstructionsRetired) < most, "they spun");
    }

    public void Dispose()
    {
        Machine.Dispose();
        _cache.Dispose();
    }
}
