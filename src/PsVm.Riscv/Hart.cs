using System.Diagnostics;
using System.Runtime.InteropServices;
using PsVm.Riscv.Csr;
using PsVm.Riscv.Decoding;
using PsVm.Riscv.Interpreter;
using PsVm.Riscv.Memory;
using PsVm.Riscv.Mmu;
using PsVm.Riscv.Translation;

namespace PsVm.Riscv;

/// <summary>One hart, RV64GC with the other extensions of its profile, with machine, supervisor and user mode.</summary>
/// <remarks>
/// <see cref="Run"/> and the registers belong to one thread at a time; what other threads may call says so.
/// Source: RISC-V unprivileged and privileged manuals, 2024-04.
/// Safety: the state is allocated here and freed when the hart is disposed of, which must not run then; the RAM outlives it. Pointers to
/// instructions are from <see cref="HartMmu.FetchPointer"/>: half-words of mapped RAM.
/// </remarks>
public sealed unsafe class Hart : IDisposable
{
    // Timers are looked at this often, in instructions: a fraction of a millisecond.
    private const ulong Slice = 20_000;
    private const uint ExitRequest = 1, InstructionFenceRequest = 2, AddressFenceRequest = 4;

    private readonly PhysicalMemory _memory;
    private readonly IExecutionEnvironment? _environment;
    private readonly Op* _alone;
    private readonly CodeCache? _ownCode;
    private readonly long[] _codeExits = new long[Enum.GetValues<CodeExit>().Length];
    private long _lookups, _systemInstructions;
    private uint _requests;
    private ulong _traps;
    private ulong _charged;
    private bool _running;
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
        _alone = (Op*)((BlockHeader*)NativeMemory.AllocZeroed(1, (nuint)(sizeof(BlockHeader) + (2 * sizeof(Op)))) + 1);
        _ownCode = code is null ? new CodeCache() : null;
        Blocks = new BlockCache((code ?? _ownCode!).Space, (code ?? _ownCode!).Account, State, memory.PageCount, Isa.Extensions);
        TranslationThreshold = Blocks.Space.Translates ? (code ?? _ownCode!).Options.Threshold : int.MaxValue;
        Csrs = new CsrFile(State, id, clock, Isa);
        Mmu = new HartMmu(State, Csrs, memory, bus, Blocks);
        Mmu.FlushAll();
        SelectContext();
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
    internal ulong Traps => _traps;

    /// <summary>Why it left translated code, and how often. Safe from any thread.</summary>
    public HartCodeExits CodeExits => new()
    {
        Limit = Volatile.Read(ref _codeExits[(int)CodeExit.Limit]),
        UnknownTarget = Volatile.Read(ref _codeExits[(int)CodeExit.UnknownTarget]),
        NotTranslated = Volatile.Read(ref _codeExits[(int)CodeExit.NotTranslated]),
        Chain = Volatile.Read(ref _codeExits[(int)CodeExit.Chain]),
        Fault = Volatile.Read(ref _codeExits[(int)CodeExit.Fault]),
        Interpreted = Volatile.Read(ref _codeExits[(int)CodeExit.MidBlock]),
        SystemInstructions = Volatile.Read(ref _systemInstructions),
        Lookups = Volatile.Read(ref _lookups),
    };

    internal HartState* State { get; }

    internal CsrFile Csrs { get; }

    internal HartMmu Mmu { get; }

    internal BlockCache Blocks { get; }

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
    public HartSnapshot Save() => new(
        Pc,
        Mode,
        [.. Enumerable.Range(0, 32).Select(register => this[register])],
        [.. Enumerable.Range(0, 32).Select(GetFloat)],
        [.. CsrFile.Saved.Select(number => KeyValuePair.Create(number, Csrs.Save(number, Mmu.Pmp)))]);

    /// <summary>Puts a new hart into the state of a snapshot.</summary>
    /// <exception cref="ArgumentException">The snapshot holds a CSR that this hart does not have, an odd pc, or not 32 registers of a kind.</exception>
    public void Restore(HartSnapshot snapshot)
    {
        if (snapshot.Integers.Count != 32 || snapshot.Floats.Count != 32)
        {
            throw new ArgumentException(
                $"expected 32 integer and 32 floating point registers, found {snapshot.Integers.Count} and {snapshot.Floats.Count}");
        }

        if ((snapshot.Pc & 1) != 0)
        {
            throw new ArgumentException($"pc 0x{snapshot.Pc:x} of the snapshot is odd, which that of no hart is");
        }

        for (int register = 0; register < 32; register++)
        {
            this[register] = snapshot.Integers[register];
            SetFloat(register, snapshot.Floats[register]);
        }

        foreach ((int number, ulong value) in snapshot.Csrs)
        {
            if (!Csrs.Restore(number, value, Mmu.Pmp))
            {
                throw new ArgumentException($"CSR 0x{number:x3} of the snapshot is not one of this hart");
            }
        }

        State->Pc = snapshot.Pc;
        Mode = snapshot.Mode;
        Mmu.FlushAll();
        Blocks.Fence();
    }

    /// <summary>Runs until the budget is used up, the hart waits for an interrupt, or an exit is requested.</summary>
    /// <param name="maxInstructions">
    /// Budget of instructions, traps and what is charged; the run may pass it by less than a block, or by one request.
    /// </param>
    public HartExit Run(ulong maxInstructions)
    {
        Volatile.Write(ref _running, true);
        Blocks.Begin();
        try
        {
            return RunBlocks(maxInstructions);
        }
        finally
        {
            Blocks.End();
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

    /// <summary>Makes a running, or the next, <see cref="Run"/> return soon. Safe from any thread.</summary>
    public void RequestExit() => Request(ExitRequest);

    /// <summary>A fence was asked for and the hart may still run what it knew before. Safe from any thread.</summary>
    public bool IsFencePending =>
        (Volatile.Read(ref _requests) & (InstructionFenceRequest | AddressFenceRequest)) != 0 && Volatile.Read(ref _running);

    /// <summary>Asks for FENCE.I on this hart before its next block. Safe from any thread.</summary>
    public void RequestInstructionFence() => Request(InstructionFenceRequest);

    /// <summary>Asks for a full SFENCE.VMA on this hart before its next block. Safe from any thread.</summary>
    public void RequestAddressFence() => Request(AddressFenceRequest);

    /// <inheritdoc/>
    public void Dispose()
    {
        if (!_disposed)
        {
            Debug.Assert(!Volatile.Read(ref _running), "a hart that runs is not disposed of");
            _disposed = true;
            Mmu.Dispose();
            Blocks.Dispose();
            NativeMemory.Free(BlockHeader.Of(_alone));
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

    /// <summary>Lets the environment answer an ECALL from supervisor mode.</summary>
    internal bool TryEnvironmentCall() => Csrs.Mode == PrivilegeMode.Supervisor && _environment?.TryHandleCall(this) == true;

    /// <summary>Takes a trap: the next instruction is the handler's first.</summary>
    internal void Trap(ulong cause, ulong value, ulong pc)
    {
        State->Pc = Csrs.EnterTrap(cause, value, pc);
        _traps++;
        ulong limit = Volatile.Read(ref State->Limit);
        if (limit != 0)
        {
            Interlocked.CompareExchange(ref State->Limit, limit - 1, limit);
        }

        State->ReservedHost = 0; // a reservation must not pass from one thread of the guest to another
        State->ChainFrom = 0; // the jump that led to a failed fetch does not lead to the handler
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

        if ((effect & CsrEffect.DataContext) != 0)
        {
            SelectContext();
        }

        if ((effect & CsrEffect.Interrupts) != 0 && Csrs.DeliverableInterrupt() is not null)
        {
            LeaveBlockLoop();
        }
    }

    /// <summary>Points loads, stores and jumps to the tables of the mode in force, and notes what that mode may do.</summary>
    internal void SelectContext()
    {
        State->DataTlb = Mmu.Tlb[Mmu.Context(Csrs.DataMode)];
        State->Jumps = Blocks.Jumps(Csrs.Mode);
        State->MayZeroBlocks = Csrs.MayZeroBlocks ? 1u : 0;
    }

    /// <summary>The block at an address, which is also kept in the jump table; null: fetching it failed.</summary>
    internal Op* FindBlock(ulong pc)
    {
        const ulong PageMask = PhysicalMemory.PageSize - 1;
        _lookups++;
        byte* host = Mmu.FetchPointer(pc, out FetchedPage page);
        if (host is null)
        {
            return null;
        }

        bool crosses = (pc & PageMask) == PageMask - 1 && Decoder.IsFull(*(ushort*)host);
        if (crosses || !page.IsWhole)
        {
            return DecodeAlone(pc, *(ushort*)host);
        }

        Op* ops = Blocks.Get(host, page.Number, out bool newCodePage);
        if (ops is null)
        {
            return DecodeAlone(pc, *(ushort*)host); // until there is room again
        }

        if (newCodePage)
        {
            Mmu.Tlb.ProtectHostPage((byte*)page.Host);
        }

        Blocks.AddJump(State->Jumps + ((pc >> 1) & BlockCache.JumpMask), pc, ops);
        return ops;
    }

    /// <summary>How often the interpreter runs a block before it asks for a translation.</summary>
    internal int TranslationThreshold { get; }

    /// <summary>What went wrong while translated code called back.</summary>
    internal Exception? Failure { get; set; }

    /// <summary>Runs translated code until it leaves, and takes the trap if that is why.</summary>
    internal CodeExit RunTranslated(BlockHeader* block, ulong pc)
    {
        Blocks.Space.Run(State, block, pc);
        FoldHostFlags();
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
            Trap(cause, cause == ExceptionCause.IllegalInstruction ? InstructionBits(State->Pc) : State->TrapValue, State->Pc);
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
        FoldHostFlags();
        _systemInstructions++;
        long forgotten = Blocks.Forgotten;
        ulong pc = State->PageBase + op->Offset;
        BlockExit exit = SystemInterpreter.Execute(this, op, pc);
        Debug.Assert(exit == BlockExit.Boundary, "what waits is left to the interpreter");
        return State->Retired < Volatile.Read(ref State->Limit) && Blocks.Forgotten == forgotten
            && (op->Code > OpCode.Csrrci || State->Pc == pc + op->Length) && op->Code is not (OpCode.FenceI or OpCode.SfenceVma);
    }

    /// <summary>Brings the exceptions of the host's floating point unit into fflags.</summary>
    private void FoldHostFlags()
    {
        const uint Exceptions = 0x3d; // IE, ZE, OE, UE and PE of MXCSR; RISC-V has no flag for denormal operands
        uint host = State->HostFlags & Exceptions;
        if (host != 0)
        {
            State->HostFlags = 0;
            State->FloatFlags |= (host & 1) << 4 | (host >> 2 & 1) << 3 | (host >> 3 & 1) << 2 | (host >> 4 & 1) << 1 | host >> 5;
        }
    }

    /// <summary>The bits of the instruction at an address that was fetched before, for mtval.</summary>
    internal ulong InstructionBits(ulong pc)
    {
        byte* low = Mmu.FetchPointer(pc, out _);
        if (low is null || !Decoder.IsFull(*(ushort*)low))
        {
            return low is null ? 0ul : *(ushort*)low;
        }

        byte* high = Mmu.FetchPointer(pc + 2, out _);
        return high is null ? 0 : *(ushort*)low | (ulong)*(ushort*)high << 16;
    }

    /// <summary>
    /// An instruction that lies on two pages, or in a page that may not be fetched as a whole, is a block of its own: checked and decoded
    /// anew each time, and never translated.
    /// </summary>
    private Op* DecodeAlone(ulong pc, uint bits)
    {
        if (Decoder.IsFull(bits))
        {
            byte* second = Mmu.FetchPointer(pc + 2, out _);
            if (second is null)
            {
                return null;
            }

            bits |= (uint)*(ushort*)second << 16;
        }

        int offset = (int)(pc & (PhysicalMemory.PageSize - 1));
        _alone[0] = Decoder.Decode(bits, offset, Isa.Extensions);
        BlockHeader.Of(_alone)->Heat = int.MinValue; // never translated: it may be another instruction next time
        _alone[1] = new Op { Code = OpCode.End, Offset = (ushort)(offset + _alone[0].Length) };
        return _alone;
    }

    private static int CheckRegister(int register)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(register);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(register, 31);
        return register;
    }

    private void Request(uint request)
    {
        Interlocked.Or(ref _requests, request);
        LeaveBlockLoop();
    }

    /// <summary>A racing store of the owner's may undo this, but the owner looks at requests and lines after that store.</summary>
    private void LeaveBlockLoop() => Volatile.Write(ref State->Limit, 0);

    /// <summary>What counts against budgets.</summary>
    private ulong Spent => State->Retired + _traps + _charged;

    private HartExit RunBlocks(ulong maxInstructions)
    {
        // Traps count too: a handler that traps at once retires nothing, and must not hold the caller for ever.
        ulong begin = Spent;
        while (true)
        {
            ulong done = Spent - begin;
            State->ChainFrom = 0;
            State->Limit = State->Retired + Math.Min(maxInstructions - Math.Min(done, maxInstructions), Slice);
            Interlocked.MemoryBarrier(); // a request that set Limit to 0 before this line is seen in the next ones
            Blocks.KeepUp();
            if (Volatile.Read(ref _requests) != 0 && ServeRequests())
            {
                return HartExit.Requested;
            }

            if (Csrs.DeliverableInterrupt() is { } interrupt)
            {
                Trap(interrupt, 0, State->Pc);
            }

            if (Spent - begin >= maxInstructions)
            {
                return HartExit.Budget;
            }

            switch (BlockInterpreter.Run(this))
            {
                case BlockExit.WaitForInterrupt:
                    if (!Csrs.HasWakeup)
                    {
                        return HartExit.WaitForInterrupt;
                    }

                    break;
                case BlockExit.WaitForStore:
                    if (!Csrs.HasWakeup && IsReservationValid())
                    {
                        return HartExit.WaitForStore;
                    }

                    break;
                default:
                    if (State->Limit != 0)
                    {
                        Sample();
                    }

                    break;
            }
        }
    }

    /// <summary>
    /// Whether nothing was stored since LR, as far as the low word tells: the reservation's width is not known, and a wait that is one turn
    /// too long does no harm.
    /// </summary>
    /// <remarks>Safety: LR took the address from the TLB or the page table: an aligned word of RAM, which stays mapped.</remarks>
    private bool IsReservationValid() =>
        State->ReservedHost != 0 && Volatile.Read(ref *(uint*)State->ReservedHost) == (uint)State->ReservedValue;

    /// <summary>Where a slice ends is, more often than not, where the time goes.</summary>
    private void Sample()
    {
        JumpEntry* jump = State->Jumps + ((State->Pc >> 1) & BlockCache.JumpMask);
        if (jump->Address == State->Pc)
        {
            Blocks.Space.Sample(jump->Ops);
        }
    }

    private bool ServeRequests()
    {
        uint requests = Interlocked.Exchange(ref _requests, 0);
        if ((requests & InstructionFenceRequest) != 0)
        {
            Blocks.Fence();
        }

        if ((requests & AddressFenceRequest) != 0)
        {
            Mmu.FlushAll();
        }

        return (requests & ExitRequest) != 0;
    }
}
