using System.Diagnostics;
using System.Runtime.InteropServices;
using PsVm.Riscv.Csr;
using PsVm.Riscv.Decoding;
using PsVm.Riscv.Interpreter;
using PsVm.Riscv.Memory;
using PsVm.Riscv.Mmu;
using PsVm.Riscv.Translation.Cache;

namespace PsVm.Riscv;

/// <summary>One hart, RV64GC with the other extensions of its profile, with machine, supervisor and user mode.</summary>
/// <remarks>
/// <see cref="Run"/> and the registers belong to one thread at a time; what other threads may call says so.
/// Source: RISC-V unprivileged and privileged manuals, 2024-04.
/// Safety: the state is allocated here and freed when the hart is disposed of, which must not run then; the RAM outlives it.
/// </remarks>
public sealed unsafe partial class Hart : IDisposable
{
    private static readonly int s_codeExits = Enum.GetValues<CodeExit>().Length;

    private readonly PhysicalMemory _memory;
    private readonly IExecutionEnvironment? _environment;
    private readonly CodeCache? _ownCode;
    private readonly long[] _codeExits = new long[s_codeExits];
    private long _systemInstructions;
    private ulong _charged;
    private bool _running;
    private long _runs;
    private long? _runsOfOthers = 0; // as of its last FENCE.I; null: one of them ran then
    private bool _awaitsPage;
    private bool _disposed;

    /// <summary>Makes a hart; it is at reset: machine mode, pc 0.</summary>
    /// <param name="id">Its number, <c>mhartid</c>.</param>
    /// <param name="memory">RAM, with all its ranges; it must outlive the hart.</param>
    /// <param name="bus">What else has a physical address.</param>
    /// <param name="clock">The time.</param>
    /// <param name="environment">Answers ECALL from supervisor mode; null: it traps to machine mode.</param>
    /// <param name="code">Where decoded and translated code is kept, shared with other harts; null: a cache of its own.</param>
    /// <param name="isa">Its instruction set, the same for all harts of a guest; null: <see cref="IsaProfile.Base"/>.</param>
    public Hart(
        int id,
        PhysicalMemory memory,
        IDeviceBus bus,
        IGuestClock clock,
        IExecutionEnvironment? environment = null,
        CodeCache? code = null,
        IsaProfile? isa = null)
    {
        Id = id;
        Isa = isa ?? IsaProfile.Base;
        _memory = memory;
        _environment = environment;
        State = (HartState*)NativeMemory.AlignedAlloc((nuint)sizeof(HartState), 64);
        *State = default;
        State->Box[0] = 0xffff_ffff_0000_0000;
        State->Context.Mode = (uint)PrivilegeMode.Machine;
        Profile = HartProfile.TryMake(this);
        _ownCode = code is null ? new CodeCache() : null;
        Blocks = new BlockCache((code ?? _ownCode!).Space, (code ?? _ownCode!).Account, State, memory.PageCount, Isa.Extensions);
        TranslationThreshold = Blocks.Runner is not null ? (code ?? _ownCode!).Options.Threshold : int.MaxValue;
        Csrs = new CsrFile(State, id, clock, Isa);
        Mmu = new HartMmu(State, Csrs, new Pmp(), memory, bus, Blocks) { Profile = Profile };
        Fetch = new BlockFetch(State, Mmu, Blocks, Isa.Extensions) { Profile = Profile };
        Mmu.FlushAll();
        State->Hart = GCHandle.ToIntPtr(GCHandle.Alloc(this, GCHandleType.Weak));
        memory.Register(this);
    }

    /// <summary>The hart's number, <c>mhartid</c>.</summary>
    public int Id { get; }

    /// <summary>Its instruction set.</summary>
    public IsaProfile Isa { get; }

    /// <summary>Address of the next instruction; its lowest bit is always 0, as in hardware (IALIGN is 16).</summary>
    public ulong Pc { get => State->Pc; set => State->Pc = value & ~1ul; }

    /// <summary>The privilege mode it runs in.</summary>
    public PrivilegeMode Mode
    {
        get => Csrs.Mode;
        set
        {
            Csrs.Mode = value;
            SelectContext();
        }
    }

    /// <summary>Instructions retired since it was made. From another thread: as of a recent block.</summary>
    public ulong InstructionsRetired => Volatile.Read(ref State->Retired);

    /// <summary>Time at which the machine timer interrupt becomes pending (ACLINT <c>mtimecmp</c>). Safe from any thread.</summary>
    public ulong MachineTimerCompare
    {
        get => Csrs.MachineTimerCompare;
        set
        {
            Csrs.MachineTimerCompare = value;
            LeaveBlockLoop();
        }
    }

    /// <summary>The earliest time at which a timer ends WFI: enabled in <c>mie</c>; <see cref="ulong.MaxValue"/>: none is armed.</summary>
    public ulong NextTimer => Csrs.NextTimer;

    /// <summary>An interrupt is pending and enabled in <c>mie</c>, which ends WFI. Safe from any thread.</summary>
    public bool HasWakeup => Csrs.HasWakeup;

    /// <summary>Traps taken since it was made.</summary>
    internal ulong Traps => State->Traps;

    /// <summary>Why it left translated code, and how often. Safe from any thread.</summary>
    public HartCodeExits CodeExits => new()
    {
        Limit = Volatile.Read(ref _codeExits[(int)CodeExit.Limit]),
        UnknownTarget = Volatile.Read(ref _codeExits[(int)CodeExit.UnknownTarget]),
        NotTranslated = Volatile.Read(ref _codeExits[(int)CodeExit.NotTranslated]),
        Fault = Volatile.Read(ref _codeExits[(int)CodeExit.Fault]),
        Interpreted = Volatile.Read(ref _codeExits[(int)CodeExit.MidBlock]),
        SystemInstructions = Volatile.Read(ref _systemInstructions),
        Lookups = Fetch.Lookups,
    };

    /// <summary>
    /// How long a run may take, whatever is left of its budget, as <see cref="Stopwatch"/> counts; 0: as long as it takes. It is looked at
    /// when pages are looked up, since that is what may take the host a thousand times as long as an instruction: when it has no page there
    /// yet.
    /// </summary>
    public long LongestRun { get => Mmu.LongestRun; set => Mmu.LongestRun = value; }

    internal HartState* State { get; }

    /// <summary>Where its time goes; null: it is not profiled.</summary>
    internal HartProfile? Profile { get; }

    /// <summary>How often it has ended a run. Safe from any thread.</summary>
    internal long Runs => Volatile.Read(ref _runs);

    /// <summary>It is in <see cref="Run"/>. Safe from any thread.</summary>
    internal bool IsRunning => Volatile.Read(ref _running);

    internal CsrFile Csrs { get; }

    internal HartMmu Mmu { get; }

    internal BlockCache Blocks { get; }

    internal BlockFetch Fetch { get; }

    /// <summary>An integer register; x0 is always 0.</summary>
    public ulong this[int register]
    {
        get => State->X[CheckRegister(register)];
        set => State->X[CheckRegister(register) == 0 ? Op.Sink : register] = value;
    }

    /// <summary>The bits of a floating point register.</summary>
    public ulong GetFloat(int register) => State->F[CheckRegister(register)];

    /// <summary>Sets the bits of a floating point register.</summary>
    public void SetFloat(int register, ulong bits) => State->F[CheckRegister(register)] = bits;

    /// <summary>Reads a CSR as machine mode would; side effects as in the manual.</summary>
    /// <returns>False: no such CSR.</returns>
    public bool TryReadCsr(int number, out ulong value) => Csrs.TryRead(number, Mmu.Pmp, out value);

    /// <summary>Writes a CSR as machine mode would.</summary>
    /// <returns>False: no such CSR, or read-only.</returns>
    public bool TryWriteCsr(int number, ulong value)
    {
        if ((number >> 10) == 3 || !Csrs.TryWrite(number, value, Mmu.Pmp, out CsrEffect effect))
        {
            return false;
        }

        Apply(effect);
        return true;
    }

    /// <summary>Takes a snapshot. The hart must not run.</summary>
    public HartSnapshot Save() => HartSnapshots.Take(this);

    /// <summary>Puts a new hart into the state of a snapshot.</summary>
    /// <exception cref="ArgumentException">The snapshot holds a CSR that this hart does not have, an odd pc, or not 32 registers of a
    /// kind.</exception>
    public void Restore(HartSnapshot snapshot) => HartSnapshots.Restore(this, snapshot);

    /// <summary>Runs until the budget is used up, the hart waits for an interrupt, or an exit is requested.</summary>
    /// <param name="maxInstructions">
    /// Budget of instructions, traps and what is charged; the run may pass it by less than a block, or by one request. It counts as used up
    /// when the run has taken as long as <see cref="LongestRun"/> allows.
    /// </param>
    public HartExit Run(ulong maxInstructions)
    {
        if (State->Context.DataTlb is null)
        {
            SelectContext(); // not before: the tables of a mode that it never runs in take no memory
        }

        Volatile.Write(ref _running, true);
        Mmu.BeginRun();
        Blocks.Begin();
        try
        {
            return RunBlocks(maxInstructions);
        }
        finally
        {
            Blocks.End();
            Volatile.Write(ref _runs, _runs + 1);
            Volatile.Write(ref _running, false);
        }
    }

    /// <summary>Raises or lowers interrupt lines. Safe from any thread; a running hart notices within a block.</summary>
    public void SetInterrupt(InterruptLines lines, bool level)
    {
        Csrs.SetLines(lines, level);
        if (level)
        {
            LeaveBlockLoop();
        }
    }

    /// <summary>
    /// Has the hart know the code that guests of its family begin with, as if it had come to each of those pages now: nobody has written
    /// its RAM since it was mapped. Before it runs first.
    /// </summary>
    /// <param name="content">What the RAM holds: equal for guests of the family whose RAM holds the same.</param>
    /// <param name="areUnwritten">Says of pages, by their host addresses, whether nobody has written them up to now; on the hart's
    /// thread.</param>
    /// <remarks>Of several harts one may write what another knows, and need not say so; so this is for those that are alone.</remarks>
    public void BeginWithFamily(string content, Func<nint[], bool[]> areUnwritten)
    {
        if (_memory.IsOnly(this) && _memory is { IsPrivate: true, IsFilled: false })
        {
            Blocks.BeginWithFamily(content, areUnwritten);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (!_disposed)
        {
            Debug.Assert(!Volatile.Read(ref _running), "a hart that runs is not disposed of");
            _disposed = true;
            Profile?.End();
            _memory.Unregister(this);
            Mmu.Dispose();
            Blocks.Dispose();
            Fetch.Dispose();
            _ownCode?.Dispose();
            GCHandle.FromIntPtr(State->Hart).Free();
            NativeMemory.AlignedFree(State);
        }
    }

    /// <summary>
    /// Counts what the host did for the hart against the budget of its run, so that dear requests make short runs. On the hart's thread.
    /// </summary>
    /// <param name="instructions">As if the hart had executed so many instructions.</param>
    public void Charge(ulong instructions)
    {
        _charged += instructions;
        ulong limit = Volatile.Read(ref State->Limit);
        if (limit != 0)
        {
            // Whoever sets it to 0 meanwhile wins.
            Interlocked.CompareExchange(ref State->Limit, limit - Math.Min(limit, instructions), limit);
        }
    }

    /// <summary>
    /// FENCE.I by the hart itself. It has nothing to do where no other hart has run since the last one: what this one and those who are no
    /// harts write is told. A hart that runs when it is done may write behind it, so that one does not count.
    /// </summary>
    internal void FenceInstructions()
    {
        long? runs = _memory.RunsOfOthers(this);
        if (runs is null || runs != _runsOfOthers)
        {
            _runsOfOthers = runs;
            Blocks.Fence();
        }
    }

    /// <summary>Lets the environment answer an ECALL from supervisor mode.</summary>
    /// <param name="page">The page of code that the hart comes back to: <see cref="BlockHeader.Page"/>.</param>
    internal bool TryEnvironmentCall(int page)
    {
        if (Csrs.Mode != PrivilegeMode.Supervisor || _environment is null)
        {
            return false;
        }

        Blocks.BeginCall(page);
        try
        {
            return _environment.TryHandleCall(this);
        }
        finally
        {
            Blocks.EndCall();
        }
    }

    /// <summary>
    /// Has the ECALL that its environment answers made again when a page that it needs may be there, and the run end. The environment has
    /// done nothing yet, and tells that the call is handled.
    /// </summary>
    public void AwaitPage()
    {
        _awaitsPage = true;
        State->Limit = 0;
    }

    /// <summary>The next instruction needs a page that is not there yet.</summary>
    internal bool IsAwaitingPage => _awaitsPage;

    /// <summary>Takes a trap: the next instruction is the handler's first.</summary>
    internal void Trap(ulong cause, ulong value, ulong pc)
    {
        if (cause == ExceptionCause.PageAwaited)
        {
            State->Pc = pc;
            AwaitPage();
            return;
        }

        using HartProfile.Scope scope = HartProfile.During(Profile, HartWork.Trap);
        HartProfile.CountTrap(Profile, cause);
        State->Pc = Csrs.EnterTrap(cause, value, pc);
        State->Traps++;
        ulong limit = Volatile.Read(ref State->Limit);
        if (limit != 0)
        {
            Interlocked.CompareExchange(ref State->Limit, limit - 1, limit);
        }

        State->ReservedHost = 0; // a reservation must not pass from one thread of the guest to another
        SelectContext();
    }

    /// <summary>A write by an instruction to some bits of mip or sip; gives what was there before.</summary>
    internal ulong UpdatePending(int number, ulong set, ulong clear)
    {
        ulong old = Csrs.UpdatePending(number, set, clear);
        Apply(CsrEffect.Interrupts);
        return old;
    }

    /// <summary>Does what a CSR write entails.</summary>
    internal void Apply(CsrEffect effect)
    {
        if ((effect & CsrEffect.Translations) != 0)
        {
            Mmu.FlushAll();
        }

        if ((effect & CsrEffect.AddressSpace) != 0)
        {
            Mmu.SelectAddressSpace();
        }

        if ((effect & (CsrEffect.DataContext | CsrEffect.AddressSpace)) != 0)
        {
            SelectContext();
        }

        bool mayBeDue = (effect & CsrEffect.Interrupts) != 0 || ((effect & CsrEffect.InterruptsLetIn) != 0 && Csrs.MayHaveInterrupt);
        if (mayBeDue && Csrs.DeliverableInterrupt() is not null)
        {
            LeaveBlockLoop();
        }
    }

    /// <summary>Points loads, stores and jumps to the tables of the mode in force, and notes what that mode may do.</summary>
    internal void SelectContext()
    {
        PrivilegeMode mode = Csrs.Mode;
        (State->UserContext, State->SupervisorContext) = (default, default);
        if (mode == PrivilegeMode.Machine)
        {
            State->Context = MakeContext(mode);
            return;
        }

        // The tables of a mode that it never runs in take no memory.
        if (mode == PrivilegeMode.User || Blocks.HasJumps(BlockCache.UserJumps(Mmu.AddressSpace)))
        {
            State->UserContext = MakeContext(PrivilegeMode.User);
        }

        if (mode == PrivilegeMode.Supervisor || Blocks.HasJumps(BlockCache.SupervisorJumps))
        {
            State->SupervisorTlb = Mmu.Tlb.Use(Tlb.Supervisor);
            State->UserMemoryTlb = Mmu.Tlb.Use(Tlb.SupervisorUserMemory(Mmu.AddressSpace));
            State->SupervisorContext = MakeContext(PrivilegeMode.Supervisor);
        }

        State->Context = mode == PrivilegeMode.User ? State->UserContext : State->SupervisorContext;
    }

    private HartContext MakeContext(PrivilegeMode mode) => Blocks.ContextOf(BlockCache.JumpsOf(mode, Mmu.AddressSpace)) with
    {
        DataTlb = Mmu.Tlb.Use(Mmu.Context(mode == PrivilegeMode.Machine ? Csrs.DataMode : mode)),
        MayZeroBlocks = Csrs.MayZeroBlocks(mode) ? 1u : 0,
        Mode = (ulong)mode,
    };

    /// <summary>How often the interpreter runs a block before it asks for a translation.</summary>
    internal int TranslationThreshold { get; }

    /// <summary>What went wrong while translated code called back.</summary>
    internal Exception? Failure { get; set; }

    /// <summary>Runs translated code until it leaves, and takes the trap if that is why.</summary>
    internal CodeExit RunTranslated(BlockHeader* block, ulong pc)
    {
        CodeRunner runner = Blocks.Runner!;
        using (HartProfile.During(Profile, HartWork.Translated))
        {
            runner.Run(State, block, pc);
        }

        runner.FoldHostFlags(State);
        var exit = (CodeExit)State->CodeExit;
        _codeExits[(int)exit]++;
        if (Failure is { } failure)
        {
            Failure = null;
            throw new InvalidOperationException(failure.Message, failure);
        }

        if (exit == CodeExit.Fault)
        {
            ulong cause = State->TrapCause;
            Trap(cause, cause == ExceptionCause.IllegalInstruction ? Fetch.InstructionBits(State->Pc) : State->TrapValue, State->Pc);
        }

        return exit;
    }

    /// <summary>Executes a system instruction for translated code, which has counted what retired before it.</summary>
    /// <returns>
    /// Translated code may go on: after a CSR instruction that did not trap at the next one, else at the state's pc. False: it has to be
    /// left, since the limit is reached or what it knows of the page may be wrong now.
    /// </returns>
    internal bool ExecuteSystem(Op* op)
    {
        Blocks.Runner!.FoldHostFlags(State);
        _systemInstructions++;
        long forgotten = Blocks.Forgotten;
        ulong pc = State->PageBase + op->Offset;
        BlockExit exit = SystemInterpreter.Execute(this, op, pc);
        Debug.Assert(exit == BlockExit.Boundary, "what waits is left to the interpreter");
        return State->Retired < Volatile.Read(ref State->Limit) && Blocks.Forgotten == forgotten
            && (op->Code > OpCode.Csrrci || State->Pc == pc + op->Length);
    }

    private static int CheckRegister(int register)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(register);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(register, 31);
        return register;
    }
}
