using PsVm.Riscv.Interpreter;
using PsVm.Riscv.Memory;
using PsVm.Riscv.Mmu;

namespace PsVm.Riscv.Csr;

/// <summary>The control and status registers of one hart, with machine, supervisor and user mode, Sstc and the counters.</summary>
/// <remarks>Safety: the hart that owns the state owns this too, and frees the state last.</remarks>
internal sealed unsafe class CsrFile(HartState* state, int hartId, IGuestClock clock, IsaProfile isa)
{
    /// <summary>Interrupts are taken in supervisor mode.</summary>
    public const ulong Sie = 1ul << 1;

    /// <summary>Loads may read pages that are only executable.</summary>
    public const ulong Mxr = 1ul << 19;

    /// <summary>The first bit of FS.</summary>
    public const int FsShift = 13;

    /// <summary>The bit of SUM.</summary>
    public const int SumShift = 18;

    /// <summary>Other bits that traps and SRET go by, or change.</summary>
    public const ulong Spie = 1ul << 5, Spp = 1ul << 8, Mprv = 1ul << 17, Tsr = 1ul << 22;

    private const ulong Mie = 1ul << 3, Mpie = 1ul << 7, Mpp = 3ul << MppShift;
    private const ulong Sum = 1ul << SumShift, Tvm = 1ul << 20, Tw = 1ul << 21;
    private const ulong FsMask = 3ul << FsShift, StateDirty = 1ul << 63;
    private const int MppShift = 11;
    private const ulong WritableStatus = Sie | Mie | Spie | Mpie | Spp | Mpp | Mprv | Sum | Mxr | Tvm | Tw | Tsr;

    /// <summary>The bits of mstatus that sstatus shows, but for FS.</summary>
    public const ulong SupervisorStatus = Sie | Spie | Spp | Sum | Mxr;

    private const ulong UserXlen = 2ul << 32, SupervisorXlen = 2ul << 34;
    // A B C D F I M S U.
    private const ulong Isa = 2ul << 62 | 1 << 0 | 1 << 1 | 1 << 2 | 1 << 3 | 1 << 5 | 1 << 8 | 1 << 12 | 1 << 18 | 1 << 20;
    private const ulong AllInterrupts = 0xaaa, SupervisorInterrupts = 0x222;
    private const ulong DelegableExceptions = 0xb3ff;
    private const ulong TimerCompareEnable = 1ul << 63, FenceOfIoImpliesMemory = 1;
    private const ulong BlockInvalidate = 3ul << 4, BlockInvalidateIsFlush = 1ul << 4, BlockClean = 1ul << 6, BlockZero = 1ul << 7;
    private const ulong SatpPpn = (1ul << 44) - 1;

    /// <summary>
    /// The CSRs of a snapshot, in an order in which they can be written back: what makes others writable comes first, addresses of
    /// protected ranges before what locks them, and mstatus, whose FS the floating point CSRs change, last.
    /// </summary>
    public static readonly int[] Saved =
    [
        CsrNumber.Menvcfg, CsrNumber.Medeleg, CsrNumber.Mideleg, CsrNumber.Mie, CsrNumber.Mtvec, CsrNumber.Mcounteren,
        CsrNumber.Mscratch, CsrNumber.Mepc, CsrNumber.Mcause, CsrNumber.Mtval, CsrNumber.Mip, CsrNumber.Stvec, CsrNumber.Scounteren,
        CsrNumber.Senvcfg, CsrNumber.Sscratch, CsrNumber.Sepc, CsrNumber.Scause, CsrNumber.Stval, CsrNumber.Stimecmp, CsrNumber.Satp,
        .. Enumerable.Range(CsrNumber.Pmpaddr0, Pmp.Entries), CsrNumber.Pmpcfg0, CsrNumber.Pmpcfg2,
        CsrNumber.Mcycle, CsrNumber.Minstret, CsrNumber.Mcountinhibit, CsrNumber.Fcsr, CsrNumber.Mstatus,
    ];

    private readonly RetiredCounter _cycle = new(), _instret = new();
    private readonly ulong _writableEnvironment = FenceOfIoImpliesMemory
        | (isa.Has(IsaExtensions.Zicbom) ? BlockInvalidate | BlockClean : 0) | (isa.Has(IsaExtensions.Zicboz) ? BlockZero : 0);
    private ulong _mideleg, _mie, _mtvec, _mcounteren, _menvcfg, _mcountinhibit, _mscratch, _mepc, _mcause, _mtval;
    private ulong _scounteren, _senvcfg, _satp;
    private readonly PendingInterrupts _interrupts = new(clock);

    /// <summary>The mode the hart runs in.</summary>
    public PrivilegeMode Mode
    {
        get => (PrivilegeMode)state->Context.Mode;
        set => state->Context.Mode = (uint)value;
    }

    /// <summary>The mode by which loads and stores are checked: MPRV puts MPP in its place.</summary>
    public PrivilegeMode DataMode =>
        Mode == PrivilegeMode.Machine && (state->Status & Mprv) != 0 ? (PrivilegeMode)((state->Status & Mpp) >> MppShift) : Mode;

    /// <summary>SUM: loads and stores of supervisor mode may reach user pages.</summary>
    public bool SupervisorReadsUserMemory => (state->Status & Sum) != 0;

    /// <summary>MXR: loads may read pages that are only executable.</summary>
    public bool ExecutableIsReadable => (state->Status & Mxr) != 0;

    /// <summary>satp: root page table, address space, and levels.</summary>
    public ulong Satp => _satp;

    /// <summary>Levels of the page table: 3, 4 or 5; 0 without translation.</summary>
    public int TranslationLevels => (int)(_satp >> 60) is var mode and not 0 ? mode - 5 : 0;

    /// <summary>Physical address of the root page table.</summary>
    public ulong RootPageTable => (_satp & SatpPpn) << PhysicalMemory.PageShift;

    /// <summary>WFI below machine mode traps.</summary>
    public bool TrapsWfi => (state->Status & Tw) != 0;

    /// <summary>SRET in supervisor mode traps.</summary>
    public bool TrapsSret => (state->Status & Tsr) != 0;

    /// <summary>SFENCE.VMA and satp in supervisor mode trap.</summary>
    public bool TrapsVirtualMemory => (state->Status & Tvm) != 0;

    /// <summary>CBO.INVAL is enabled in the mode the hart runs in.</summary>
    public bool MayInvalidateBlocks => (Environment(Mode) & BlockInvalidate) != 0;

    /// <summary>CBO.CLEAN and CBO.FLUSH are enabled in the mode the hart runs in.</summary>
    public bool MayCleanBlocks => (Environment(Mode) & BlockClean) != 0;

    /// <summary>CBO.ZERO is enabled in a mode.</summary>
    public bool MayZeroBlocks(PrivilegeMode mode) => (Environment(mode) & BlockZero) != 0;

    /// <summary>mtimecmp of the ACLINT.</summary>
    public ulong MachineTimerCompare { get => _interrupts.MachineTimerCompare; set => _interrupts.MachineTimerCompare = value; }

    /// <summary>The earliest time at which a timer that is enabled in mie fires.</summary>
    public ulong NextTimer => _interrupts.NextTimer(_mie, HasTimerCompare);

    /// <summary>mip as it stands now.</summary>
    public ulong Pending => _interrupts.Pending(HasTimerCompare);

    /// <summary>An interrupt is pending and enabled, whatever the global enables say.</summary>
    public bool HasWakeup => (Pending & _mie) != 0;

    /// <summary>Raises or lowers lines. Safe from any thread.</summary>
    public void SetLines(InterruptLines lines, bool level)
    {
        _interrupts.SetLines(lines, level);
        if (level)
        {
            Volatile.Write(ref state->InterruptDue, (uint)Sie);
        }
    }

    /// <summary>
    /// An interrupt that is enabled in mie may be pending, as far as was looked; what timers add is seen where a slice ends.
    /// </summary>
    public bool MayHaveInterrupt => Volatile.Read(ref state->InterruptDue) != 0;

    /// <summary>The cause of the interrupt to take now, or null (privileged manual, section 3.1.9).</summary>
    public ulong? DeliverableInterrupt()
    {
        if (Volatile.Read(ref state->InterruptDue) != 0)
        {
            Volatile.Write(ref state->InterruptDue, 0);
            Interlocked.MemoryBarrier(); // a line that was raised before is seen below, one that is raised later says so again
        }

        ulong ready = Pending & _mie;
        if (ready == 0)
        {
            return null;
        }

        Volatile.Write(ref state->InterruptDue, (uint)Sie);
        bool machineEnabled = Mode < PrivilegeMode.Machine || (state->Status & Mie) != 0;
        bool supervisorEnabled = Mode < PrivilegeMode.Supervisor || (Mode == PrivilegeMode.Supervisor && (state->Status & Sie) != 0);
        ulong deliverable = (machineEnabled ? ready & ~_mideleg : 0) is var machine and not 0
            ? machine
            : supervisorEnabled ? ready & _mideleg : 0;
        ReadOnlySpan<byte> byPriority = [11, 3, 7, 9, 1, 5];
        foreach (byte cause in byPriority)
        {
            if ((deliverable >> cause & 1) != 0)
            {
                return cause | ExceptionCause.Interrupt;
            }
        }

        return null;
    }

    /// <summary>Enters the trap handler of the mode that the cause is delegated to; gives its address.</summary>
    public ulong EnterTrap(ulong cause, ulong value, ulong pc)
    {
        ulong code = cause & ~ExceptionCause.Interrupt;
        bool interrupt = code != cause;
        bool delegated = ((interrupt ? _mideleg : state->Medeleg) >> (int)code & 1) != 0;
        ulong vector;
        if (delegated && Mode != PrivilegeMode.Machine)
        {
            (state->Scause, state->Stval, state->Sepc, vector) = (cause, value, pc, state->Stvec);
            SetStatus(Spie, (state->Status & Sie) != 0);
            SetStatus(Sie, false);
            SetStatus(Spp, Mode == PrivilegeMode.Supervisor);
            Mode = PrivilegeMode.Supervisor;
        }
        else
        {
            (_mcause, _mtval, _mepc, vector) = (cause, value, pc, _mtvec);
            SetStatus(Mpie, (state->Status & Mie) != 0);
            SetStatus(Mie, false);
            state->Status = (state->Status & ~Mpp) | (ulong)Mode << MppShift;
            Mode = PrivilegeMode.Machine;
        }

        return (vector & ~3ul) + (interrupt && (vector & 1) != 0 ? code * 4 : 0);
    }

    /// <summary>MRET: back to the mode in MPP; gives the address to go on at.</summary>
    public ulong ReturnFromMachine()
    {
        Mode = (PrivilegeMode)((state->Status & Mpp) >> MppShift);
        SetStatus(Mie, (state->Status & Mpie) != 0);
        SetStatus(Mpie, true);
        state->Status &= ~Mpp;
        ClearMprvBelowMachine();
        return _mepc;
    }

    /// <summary>SRET: back to the mode in SPP; gives the address to go on at.</summary>
    public ulong ReturnFromSupervisor()
    {
        Mode = (state->Status & Spp) != 0 ? PrivilegeMode.Supervisor : PrivilegeMode.User;
        SetStatus(Sie, (state->Status & Spie) != 0);
        SetStatus(Spie, true);
        SetStatus(Spp, false);
        ClearMprvBelowMachine();
        return state->Sepc;
    }

    /// <summary>Whether an instruction may name the CSR in a mode (its number, the enables of counters, FS, TVM).</summary>
    public bool MayAccess(int number, PrivilegeMode mode, bool write)
    {
        if (((number >> 8) & 3) > (int)mode || (write && (number >> 10) == 3))
        {
            return false;
        }

        switch (number)
        {
            case CsrNumber.Fflags or CsrNumber.Frm or CsrNumber.Fcsr:
                return state->FloatStatus != 0;
            case >= CsrNumber.Cycle and <= CsrNumber.HpmCounterLast:
                int bit = number - CsrNumber.Cycle;
                return (mode == PrivilegeMode.Machine || (_mcounteren >> bit & 1) != 0)
                    && (mode != PrivilegeMode.User || (_scounteren >> bit & 1) != 0);
            case CsrNumber.Stimecmp:
                return mode == PrivilegeMode.Machine || ((_mcounteren & 2) != 0 && HasTimerCompare);
            case CsrNumber.Satp:
                return mode != PrivilegeMode.Supervisor || !TrapsVirtualMemory;
            default:
                return true;
        }
    }

    /// <summary>Reads a CSR; false: there is none with this number.</summary>
    public bool TryRead(int number, Pmp pmp, out ulong value)
    {
        ulong? found = number switch
        {
            CsrNumber.Fflags => state->FloatFlags,
            CsrNumber.Frm => state->FloatRounding,
            CsrNumber.Fcsr => state->FloatFlags | state->FloatRounding << 5,
            CsrNumber.Cycle or CsrNumber.Mcycle => _cycle.Read(state->Retired),
            CsrNumber.Time => clock.Now,
            CsrNumber.Instret or CsrNumber.Minstret => _instret.Read(state->Retired),
            > CsrNumber.Instret and <= CsrNumber.HpmCounterLast => 0,
            CsrNumber.Sstatus => Status & (SupervisorStatus | FsMask | UserXlen | StateDirty),
            CsrNumber.Sie => _mie & _mideleg,
            CsrNumber.Stvec => state->Stvec,
            CsrNumber.Scounteren => _scounteren,
            CsrNumber.Senvcfg => _senvcfg,
            CsrNumber.Sscratch => state->Sscratch,
            CsrNumber.Sepc => state->Sepc,
            CsrNumber.Scause => state->Scause,
            CsrNumber.Stval => state->Stval,
            CsrNumber.Sip => Pending & _mideleg,
            CsrNumber.Stimecmp => _interrupts.SupervisorTimerCompare,
            CsrNumber.Satp => _satp,
            CsrNumber.Mstatus => Status,
            CsrNumber.Misa => Isa,
            CsrNumber.Medeleg => state->Medeleg,
            CsrNumber.Mideleg => _mideleg,
            CsrNumber.Mie => _mie,
            CsrNumber.Mtvec => _mtvec,
            CsrNumber.Mcounteren => _mcounteren,
            CsrNumber.Menvcfg => _menvcfg,
            CsrNumber.Mcountinhibit => _mcountinhibit,
            >= CsrNumber.MhpmeventFirst and <= CsrNumber.MhpmeventLast => 0,
            CsrNumber.Mscratch => _mscratch,
            CsrNumber.Mepc => _mepc,
            CsrNumber.Mcause => _mcause,
            CsrNumber.Mtval => _mtval,
            CsrNumber.Mip => Pending,
            CsrNumber.Pmpcfg0 => pmp.ReadConfig(0),
            CsrNumber.Pmpcfg2 => pmp.ReadConfig(8),
            >= CsrNumber.Pmpaddr0 and <= CsrNumber.Pmpaddr15 => pmp.ReadAddress(number - CsrNumber.Pmpaddr0),
            >= CsrNumber.Tselect and <= CsrNumber.Tdata3 => 0,
            >= CsrNumber.MhpmcounterFirst and <= CsrNumber.MhpmcounterLast => 0,
            CsrNumber.Mvendorid or CsrNumber.Marchid or CsrNumber.Mimpid or CsrNumber.Mconfigptr => 0,
            CsrNumber.Mhartid => (ulong)hartId,
            _ => null,
        };
        value = found.GetValueOrDefault();
        return found.HasValue;
    }

    /// <summary>Writes a CSR; false: there is none with this number. Values that are not legal leave a legal one.</summary>
    public bool TryWrite(int number, ulong value, Pmp pmp, out CsrEffect effect)
    {
        effect = CsrEffect.None;
        switch (number)
        {
            case CsrNumber.Fflags:
                state->FloatFlags = (uint)value & FloatInterpreter.AllFlags;
                state->FloatStatus = 3;
                break;
            case CsrNumber.Frm:
                state->FloatRounding = (uint)value & 7;
                state->FloatStatus = 3;
                break;
            case CsrNumber.Fcsr:
                state->FloatFlags = (uint)value & FloatInterpreter.AllFlags;
                state->FloatRounding = (uint)(value >> 5) & 7;
                state->FloatStatus = 3;
                break;
            case CsrNumber.Sstatus:
                effect = WriteStatus(value, SupervisorStatus);
                break;
            case CsrNumber.Sie:
                _mie = (_mie & ~_mideleg) | (value & _mideleg);
                effect = CsrEffect.Interrupts;
                break;
            case CsrNumber.Stvec: state->Stvec = TrapVector(value); break;
            case CsrNumber.Scounteren: _scounteren = (uint)value; break;
            case CsrNumber.Senvcfg:
                _senvcfg = WriteEnvironment(_senvcfg, value, _writableEnvironment);
                effect = CsrEffect.DataContext;
                break;
            case CsrNumber.Sscratch: state->Sscratch = value; break;
            case CsrNumber.Sepc: state->Sepc = value & ~1ul; break;
            case CsrNumber.Scause: state->Scause = value; break;
            case CsrNumber.Stval: state->Stval = value; break;
            case CsrNumber.Sip:
                _interrupts.Write(value, WritablePending(number));
                effect = CsrEffect.Interrupts;
                break;
            case CsrNumber.Stimecmp:
                _interrupts.SupervisorTimerCompare = value;
                effect = CsrEffect.Interrupts;
                break;
            case CsrNumber.Satp:
                effect = WriteSatp(value);
                break;
            case CsrNumber.Mstatus:
                effect = WriteStatus(value, WritableStatus);
                break;
            case CsrNumber.Misa: break;
            case CsrNumber.Medeleg: state->Medeleg = value & DelegableExceptions; break;
            case CsrNumber.Mideleg:
                _mideleg = value & SupervisorInterrupts;
                effect = CsrEffect.Interrupts;
                break;
            case CsrNumber.Mie:
                _mie = value & AllInterrupts;
                effect = CsrEffect.Interrupts;
                break;
            case CsrNumber.Mtvec: _mtvec = TrapVector(value); break;
            case CsrNumber.Mcounteren: _mcounteren = (uint)value; break;
            case CsrNumber.Menvcfg:
                _menvcfg = WriteEnvironment(_menvcfg, value, TimerCompareEnable | _writableEnvironment);
                effect = CsrEffect.Interrupts | CsrEffect.DataContext;
                break;
            case CsrNumber.Mcountinhibit:
                _mcountinhibit = value & 5;
                _cycle.SetInhibited((value & 1) != 0, state->Retired);
                _instret.SetInhibited((value & 4) != 0, state->Retired);
                break;
            case CsrNumber.Mscratch: _mscratch = value; break;
            case CsrNumber.Mepc: _mepc = value & ~1ul; break;
            case CsrNumber.Mcause: _mcause = value; break;
            case CsrNumber.Mtval: _mtval = value; break;
            case CsrNumber.Mip:
                _interrupts.Write(value, WritablePending(number));
                effect = CsrEffect.Interrupts;
                break;
            case CsrNumber.Pmpcfg0 or CsrNumber.Pmpcfg2:
                pmp.WriteConfig(number == CsrNumber.Pmpcfg0 ? 0 : 8, value);
                effect = CsrEffect.Translations;
                break;
            case >= CsrNumber.Pmpaddr0 and <= CsrNumber.Pmpaddr15:
                pmp.WriteAddress(number - CsrNumber.Pmpaddr0, value);
                effect = CsrEffect.Translations;
                break;
            case CsrNumber.Mcycle:
                _cycle.Write(value, state->Retired + 1); // counts on from the instruction after this one
                break;
            case CsrNumber.Minstret:
                _instret.Write(value, state->Retired + 1);
                break;
            case >= CsrNumber.MhpmeventFirst and <= CsrNumber.MhpmeventLast: break;
            case >= CsrNumber.MhpmcounterFirst and <= CsrNumber.MhpmcounterLast: break;
            case >= CsrNumber.Tselect and <= CsrNumber.Tdata3: break;
            default:
                return false;
        }

        return true;
    }

    /// <summary>The value that <see cref="Restore"/> takes.</summary>
    public ulong Save(int number, Pmp pmp)
    {
        if (number == CsrNumber.Mip)
        {
            return _interrupts.Written(HasTimerCompare) & SupervisorInterrupts; // lines come back with the devices that hold them
        }

        TryRead(number, pmp, out ulong value);
        return value;
    }

    /// <summary>Writes a saved CSR; false: there is none with this number.</summary>
    public bool Restore(int number, ulong value, Pmp pmp)
    {
        // A program's write of a counter takes effect after the instruction; here there is none.
        RetiredCounter? counter = number switch { CsrNumber.Mcycle => _cycle, CsrNumber.Minstret => _instret, _ => null };
        counter?.Write(value, state->Retired);
        return counter is not null || TryWrite(number, value, pmp, out _);
    }

    private ulong Status =>
        state->Status | UserXlen | SupervisorXlen | (ulong)state->FloatStatus << FsShift | (state->FloatStatus == 3 ? StateDirty : 0);

    /// <summary>The supervisor's timer is stimecmp (Sstc).</summary>
    private bool HasTimerCompare => (_menvcfg & TimerCompareEnable) != 0;

    /// <summary>What menvcfg and senvcfg enable in a mode.</summary>
    private ulong Environment(PrivilegeMode mode) => mode switch
    {
        PrivilegeMode.Machine => ulong.MaxValue,
        PrivilegeMode.Supervisor => _menvcfg,
        _ => _menvcfg & _senvcfg,
    };

    /// <summary>The new value of menvcfg or senvcfg; CBIE has one value that is reserved, which leaves it as it is.</summary>
    private static ulong WriteEnvironment(ulong old, ulong value, ulong writable)
    {
        bool reserved = (value & BlockInvalidate) == (BlockInvalidate & ~BlockInvalidateIsFlush);
        ulong kept = reserved ? BlockInvalidate : 0;
        return ((value & ~kept) | (old & kept)) & writable;
    }

    private static ulong TrapVector(ulong value) => value & ~2ul;

    private CsrEffect WriteStatus(ulong value, ulong mask)
    {
        ulong old = state->Status;
        if ((value & Mpp) == 2ul << MppShift)
        {
            mask &= ~Mpp;
        }

        state->Status = (old & ~mask) | (value & mask);
        state->FloatStatus = (uint)(value >> FsShift) & 3;
        CsrEffect translations = ((old ^ state->Status) & Mxr) != 0 ? CsrEffect.Translations : CsrEffect.None;
        return CsrEffect.DataContext | CsrEffect.InterruptsLetIn | translations;
    }

    private CsrEffect WriteSatp(ulong value)
    {
        bool legal = value >> 60 is 0 or 8 or 9 or 10;
        if (!legal || value == _satp)
        {
            return CsrEffect.None;
        }

        // What another number of levels leads to is not told apart by address spaces.
        bool sameLevels = value >> 60 == _satp >> 60 && value >> 60 != 0;
        _satp = value;
        return sameLevels ? CsrEffect.AddressSpace : CsrEffect.AddressSpace | CsrEffect.Translations;
    }

    /// <summary>
    /// Reads mip or sip and writes some of its bits. Other harts raise SSIP at any time, so that bit is read and written in one step, and
    /// those that the instruction does not name are not written at all. What SEIP reads as has the PLIC's line in it, what is written
    /// has not.
    /// </summary>
    /// <param name="number">The CSR.</param>
    /// <param name="set">Bits to set.</param>
    /// <param name="clear">Bits to clear.</param>
    /// <returns>The value before.</returns>
    public ulong UpdatePending(int number, ulong set, ulong clear)
    {
        const ulong Software = (ulong)InterruptLines.SupervisorSoftware;
        ulong old = number == CsrNumber.Mip ? Pending : Pending & _mideleg;
        ulong written = (set | clear) & WritablePending(number);
        uint lines = _interrupts.Write(set, written);
        return (written & Software) == 0 ? old : (old & ~Software) | (lines & Software);
    }

    /// <summary>The bits of mip or sip that programs write: the timer's is the comparator's once there is one (Sstc).</summary>
    private ulong WritablePending(int number) => number == CsrNumber.Sip
        ? (ulong)InterruptLines.SupervisorSoftware & _mideleg
        : SupervisorInterrupts & ~(HasTimerCompare ? (ulong)InterruptLines.SupervisorTimer : 0);

    private void SetStatus(ulong bit, bool set) => state->Status = set ? state->Status | bit : state->Status & ~bit;

    private void ClearMprvBelowMachine()
    {
        if (Mode != PrivilegeMode.Machine)
        {
            state->Status &= ~Mprv;
        }
    }
}
