using System.Numerics;
using PsVm.Machine.Board;
using PsVm.Machine.Devices;
using PsVm.Machine.State;
using PsVm.Riscv;

namespace PsVm.Machine.Firmware;

/// <summary>The built-in supervisor execution environment: answers a kernel's calls, so that it boots without firmware.</summary>
/// <remarks>Source: RISC-V SBI specification 2.0; the sections are named at the functions.</remarks>
internal sealed class Sbi : ISupervisorEnvironment
{
    // Extension numbers.
    private const ulong LegacySetTimer = 0;
    private const ulong LegacyPutCharacter = 1;
    private const ulong LegacyGetCharacter = 2;
    private const ulong LegacyShutdown = 8;
    private const ulong Base = 0x10;
    private const ulong Timer = 0x5449_4d45; // "TIME"
    private const ulong Ipi = 0x73_5049; // "sPI"
    private const ulong RemoteFence = 0x5246_4e43; // "RFNC"
    private const ulong HartState = 0x48_534d; // "HSM"
    private const ulong SystemReset = 0x5352_5354; // "SRST"
    private const ulong DebugConsole = 0x4442_434e; // "DBCN"

    private const ulong SpecificationVersion = 2u << 24;
    private const ulong ImplementationId = 0x5073_566d; // "PsVm": no number of the specification's list
    private const ulong ImplementationVersion = 1;

    private const uint SuspendRetentive = 0;
    private const uint SuspendNonRetentive = 0x8000_0000;

    private readonly IReadOnlyList<Hart> _harts;
    private readonly IHartLines _lines;
    private readonly GuestMemory _memory;
    private readonly GuestConsole _console;
    private readonly Action<PowerRequest, uint> _power;
    private readonly Lock _gate = new();
    private readonly Supervised[] _states;

    // Harts, as bits, that wait for others' fences.
    private ulong _fencing;
    private long _calls;

    /// <summary>Makes one for a board.</summary>
    /// <param name="memory">RAM, for the debug console.</param>
    /// <param name="console">The console.</param>
    /// <param name="power">Called with what the guest asks of the board's power.</param>
    public static Func<GuestBoard, ISupervisorEnvironment> For(
        GuestMemory memory, GuestConsole console, Action<PowerRequest, uint> power) =>
        board => new Sbi(board.Harts, board, memory, console, power);

    /// <param name="harts">The harts; they may be filled in later.</param>
    /// <param name="lines">The wires to the harts.</param>
    /// <param name="memory">RAM, for the debug console.</param>
    /// <param name="console">The console.</param>
    /// <param name="power">Called with what the guest asks of the board's power.</param>
    public Sbi(
        IReadOnlyList<Hart> harts, IHartLines lines, GuestMemory memory, GuestConsole console, Action<PowerRequest, uint> power)
    {
        _harts = harts;
        _lines = lines;
        _memory = memory;
        _console = console;
        _power = power;
        _states = new Supervised[harts.Count];
        Array.Fill(_states, new Supervised(Status.Stopped, 0, 0));
    }

    private enum Error : long
    {
        Success = 0,
        NotSupported = -2,
        InvalidParameter = -3,
        InvalidAddress = -5,
        AlreadyAvailable = -6,
    }

    // Section 9, table 4.
    private enum Status
    {
        Started = 0,
        Stopped = 1,
        StartPending = 2,
        StopPending = 3,
        Suspended = 4,
    }

    /// <summary>Calls that were made.</summary>
    public long Calls => Volatile.Read(ref _calls);

    /// <summary>Makes a hart begin in supervisor mode.</summary>
    /// <param name="hart">The hart, which is stopped.</param>
    /// <param name="entry">Guest physical address of its first instruction.</param>
    /// <param name="argument">What it finds in a1; a0 is its number.</param>
    public void Start(int hart, ulong entry, ulong argument)
    {
        lock (_gate)
        {
            _states[hart] = new Supervised(Status.StartPending, entry, argument);
        }

        _lines.Wake(hart);
    }

    /// <summary>Brings a hart, which does not run, to where its supervisor wants it. Called on the hart's thread.</summary>
    public HartActivity Prepare(Hart hart)
    {
        lock (_gate)
        {
            Supervised state = _states[hart.Id];
            switch (state.Status)
            {
                case Status.Started:
                    return HartActivity.Run;
                case Status.StartPending:
                    break;
                case Status.Suspended when !hart.HasWakeup:
                    return HartActivity.Wait;
                case Status.Suspended when state.Entry is null:
                    _states[hart.Id] = new Supervised(Status.Started);
                    return HartActivity.Run;
                case Status.Suspended:
                    break;
                default:
                    _states[hart.Id] = new Supervised(Status.Stopped);
                    return HartActivity.None;
            }

            EnterSupervisor(hart, state.Entry!.Value, state.Argument);
            _states[hart.Id] = new Supervised(Status.Started);
            return HartActivity.Run;
        }
    }

    public void Transfer(StateStream state)
    {
        lock (_gate)
        {
            foreach (ref Supervised hart in _states.AsSpan())
            {
                (uint status, bool hasEntry, ulong entry, ulong argument) =
                    ((uint)hart.Status, hart.Entry is not null, hart.Entry ?? 0, hart.Argument);
                state.Transfer(ref status);
                state.Transfer(ref hasEntry);
                state.Transfer(ref entry);
                state.Transfer(ref argument);
                if (!Enum.IsDefined((Status)status) || ((Status)status == Status.StartPending && !hasEntry))
                {
                    throw new InvalidDataException($"hart state {status} {(hasEntry ? "with" : "without")} an entry");
                }

                hart = new Supervised((Status)status, hasEntry ? entry : null, argument);
            }
        }
    }

    public bool TryHandleCall(Hart hart)
    {
        Interlocked.Increment(ref _calls);
        (ulong extension, ulong function) = (hart[17], hart[16]);
        if (extension <= LegacyShutdown)
        {
            hart[10] = HandleLegacy(hart, extension);
            return true;
        }

        (Error error, ulong value) = extension switch
        {
            Base => HandleBase(hart, function),
            Timer when function == 0 => SetTimer(hart, hart[10]),
            Ipi when function == 0 => SendIpi(hart),
            RemoteFence => HandleRemoteFence(hart, function),
            HartState => HandleHartState(hart, function),
            SystemReset when function == 0 => Reset(hart, (uint)hart[10], (uint)hart[11]),
            DebugConsole => HandleDebugConsole(hart, function),
            _ => (Error.NotSupported, 0ul),
        };
        hart[10] = (ulong)error;
        hart[11] = value;
        return true;
    }

    // Section 5. These return one value, and a1 stays as it is.
    private ulong HandleLegacy(Hart hart, ulong extension)
    {
        switch (extension)
        {
            case LegacySetTimer:
                return (ulong)SetTimer(hart, hart[10]).Item1;
            case LegacyPutCharacter:
                _console.Write([(byte)hart[10]]);
                return 0;
            case LegacyGetCharacter:
                return _console.TryTakeInput(out byte character) ? character : ulong.MaxValue;
            case LegacyShutdown:
                RequestPower(hart, PowerRequest.Off, 0);
                return 0;
            default:
                return unchecked((ulong)Error.NotSupported);
        }
    }

    // Section 4.
    private static (Error, ulong) HandleBase(Hart hart, ulong function)
    {
        return function switch
        {
            0 => (Error.Success, SpecificationVersion),
            1 => (Error.Success, ImplementationId),
            2 => (Error.Success, ImplementationVersion),
            3 => (Error.Success, IsImplemented(hart[10]) ? 1u : 0),
            4 => (Error.Success, Read(Csr.MachineVendorId)),
            5 => (Error.Success, Read(Csr.MachineArchitectureId)),
            6 => (Error.Success, Read(Csr.MachineImplementationId)),
            _ => (Error.NotSupported, 0ul),
        };

        ulong Read(int csr) => hart.TryReadCsr(csr, out ulong value) ? value : 0;
    }

    private static bool IsImplemented(ulong extension) => extension is LegacySetTimer or LegacyPutCharacter or LegacyGetCharacter
        or LegacyShutdown or Base or Timer or Ipi or RemoteFence or HartState or SystemReset or DebugConsole;

    // Section 6.
    private static (Error, ulong) SetTimer(Hart hart, ulong time)
    {
        hart.TryWriteCsr(Csr.SupervisorTimerCompare, time);
        return (Error.Success, 0);
    }

    // Section 7.
    private (Error, ulong) SendIpi(Hart caller)
    {
        if (!TrySelect(caller, out ulong targets))
        {
            return (Error.InvalidParameter, 0);
        }

        for (; targets != 0; targets &= targets - 1)
        {
            _lines.SetInterrupt(BitOperations.TrailingZeroCount(targets), InterruptLines.SupervisorSoftware, true);
        }

        return (Error.Success, 0);
    }

    // Section 8. A guest without the hypervisor extension has no use for the other functions.
    private (Error, ulong) HandleRemoteFence(Hart caller, ulong function)
    {
        if (function > 2)
        {
            return (Error.NotSupported, 0);
        }

        if (!TrySelect(caller, out ulong targets))
        {
            return (Error.InvalidParameter, 0);
        }

        for (ulong left = targets; left != 0; left &= left - 1)
        {
            Hart target = _harts[BitOperations.TrailingZeroCount(left)];
            if (function == 0)
            {
                target.RequestInstructionFence();
            }
            else
            {
                target.RequestAddressFence();
            }
        }

        WaitForFences(caller, targets & ~(1ul << caller.Id));
        return (Error.Success, 0);
    }

    /// <summary>Returns when no target can use what it knew before the fence.</summary>
    /// <remarks>
    /// A target that itself waits here does its fences before its next instruction: two that fence each other must not lock up. One that
    /// is parked, stopped or held does them before its next instruction too, and is not waited for.
    /// </remarks>
    private void WaitForFences(Hart caller, ulong targets)
    {
        Interlocked.Or(ref _fencing, 1ul << caller.Id);
        for (; targets != 0; targets &= targets - 1)
        {
            int target = BitOperations.TrailingZeroCount(targets);
            SpinWait spin = default;
            while (_harts[target].IsFencePending && (Volatile.Read(ref _fencing) >> target & 1) == 0)
            {
                spin.SpinOnce(sleep1Threshold: -1); // the target leaves within a block: a millisecond of sleep would be far too long
            }
        }

        Interlocked.And(ref _fencing, ~(1ul << caller.Id));
    }

    // Section 9.
    private (Error, ulong) HandleHartState(Hart hart, ulong function)
    {
        ulong target = hart[10];
        switch (function)
        {
            case 0:
                return StartHart(target, hart[11], hart[12]);
            case 1:
                Leave(hart, new Supervised(Status.StopPending));
                return (Error.Success, 0);
            case 2 when target >= (ulong)_harts.Count:
                return (Error.InvalidParameter, 0);
            case 2:
                lock (_gate)
                {
                    return (Error.Success, (ulong)_states[target].Status);
                }

            case 3:
                return Suspend(hart, (uint)hart[10], hart[11], hart[12]);
            default:
                return (Error.NotSupported, 0);
        }
    }

    private (Error, ulong) StartHart(ulong target, ulong entry, ulong argument)
    {
        if (target >= (ulong)_harts.Count)
        {
            return (Error.InvalidParameter, 0);
        }

        if (_memory.SpanAt(entry, 1).IsEmpty)
        {
            return (Error.InvalidAddress, 0);
        }

        lock (_gate)
        {
            if (_states[target].Status != Status.Stopped)
            {
                return (Error.AlreadyAvailable, 0);
            }

            Start((int)target, entry, argument);
        }

        return (Error.Success, 0);
    }

    private (Error, ulong) Suspend(Hart hart, uint type, ulong entry, ulong argument)
    {
        switch (type)
        {
            case SuspendRetentive:
                Leave(hart, new Supervised(Status.Suspended));
                return (Error.Success, 0);
            case SuspendNonRetentive when _memory.SpanAt(entry, 1).IsEmpty:
                return (Error.InvalidAddress, 0);
            case SuspendNonRetentive:
                Leave(hart, new Supervised(Status.Suspended, entry, argument));
                return (Error.Success, 0);
            default:
                return (Error.InvalidParameter, 0);
        }
    }

    // Section 10.
    private (Error, ulong) Reset(Hart hart, uint type, uint reason)
    {
        const uint systemFailure = 1;
        if (type > 2 || reason > systemFailure)
        {
            return (Error.InvalidParameter, 0);
        }

        PowerRequest request = reason == systemFailure ? PowerRequest.Fail : type == 0 ? PowerRequest.Off : PowerRequest.Reboot;
        RequestPower(hart, request, reason);
        return (Error.Success, 0);
    }

    // Section 12.
    private (Error, ulong) HandleDebugConsole(Hart hart, ulong function)
    {
        (ulong length, ulong address, ulong high) = (hart[10], hart[11], hart[12]);
        switch (function)
        {
            case 0 when high != 0 || !IsRam(address, length):
            case 1 when high != 0 || !IsRam(address, length):
                return (Error.InvalidParameter, 0);
            case 0:
                for (ulong done = 0; done < length;)
                {
                    ReadOnlySpan<byte> part = _memory.SpanAt(address + done, length - done);
                    _console.Write(part);
                    done += (ulong)part.Length;
                }

                return (Error.Success, length);
            case 1:
                return (Error.Success, ReadConsole(address, length));
            case 2:
                _console.Write([(byte)hart[10]]);
                return (Error.Success, 0);
            default:
                return (Error.NotSupported, 0);
        }
    }

    private ulong ReadConsole(ulong address, ulong length)
    {
        ulong count = 0;
        while (count < length && _console.TryTakeInput(out byte character))
        {
            _memory.Write(address + count, [character]);
            count++;
        }

        _memory.Physical.NotifyWritten(address, count);
        return count;
    }

    private bool IsRam(ulong address, ulong length)
    {
        while (length > 0)
        {
            ulong part = (ulong)_memory.SpanAt(address, length).Length;
            if (part == 0)
            {
                return false;
            }

            address += part;
            length -= part;
        }

        return true;
    }

    private void RequestPower(Hart hart, PowerRequest request, uint code)
    {
        _power(request, code);
        hart.RequestExit();
    }

    /// <summary>Makes the caller stop running and come by <see cref="Prepare"/>.</summary>
    private void Leave(Hart hart, Supervised state)
    {
        lock (_gate)
        {
            _states[hart.Id] = state;
        }

        hart.RequestExit();
    }

    /// <summary>The harts, as bits, of the mask in a0 that starts at the hart in a1 (section 3.1).</summary>
    /// <returns>False: it names a hart that there is not.</returns>
    private bool TrySelect(Hart caller, out ulong harts)
    {
        ulong all = ulong.MaxValue >> (MemoryMap.MaxHarts - _harts.Count);
        (ulong mask, ulong first) = (caller[10], caller[11]);
        if (first == ulong.MaxValue)
        {
            harts = all;
            return true;
        }

        harts = first < MemoryMap.MaxHarts ? mask << (int)first : 0;
        return first < (ulong)_harts.Count && harts >> (int)first == mask && (harts & ~all) == 0;
    }

    private static void EnterSupervisor(Hart hart, ulong entry, ulong argument)
    {
        // All that a supervisor can handle is its own to handle; only its calls come here.
        const ulong delegatedExceptions = 0xb1ff;
        const ulong delegatedInterrupts = 0x222;
        const ulong allCounters = 7;
        const ulong supervisorTimerCompareEnable = 1ul << 63;
        const ulong cacheBlockInstructions = 0xf0; // CBIE, CBCFE, CBZE: where harts have them, there is nothing to keep from a supervisor
        const ulong anyAccessNapot = 0x1f;
        hart.TryWriteCsr(Csr.MachineExceptionDelegation, delegatedExceptions);
        hart.TryWriteCsr(Csr.MachineInterruptDelegation, delegatedInterrupts);
        hart.TryWriteCsr(Csr.MachineCounterEnable, allCounters);
        hart.TryWriteCsr(Csr.SupervisorCounterEnable, allCounters);
        hart.TryWriteCsr(Csr.MachineEnvironmentConfiguration, supervisorTimerCompareEnable | cacheBlockInstructions);
        hart.TryWriteCsr(Csr.PmpAddress0, ulong.MaxValue);
        hart.TryWriteCsr(Csr.PmpConfiguration0, anyAccessNapot);

        // Who fenced others meanwhile left out a hart that was stopped. A change of satp forgets its translations.
        hart.RequestInstructionFence();
        hart.TryWriteCsr(Csr.MachineInterruptEnable, 0);
        hart.TryWriteCsr(Csr.SupervisorTimerCompare, ulong.MaxValue);
        hart.TryWriteCsr(Csr.SupervisorStatus, 0);
        hart.TryWriteCsr(Csr.AddressTranslation, 0);
        hart.Mode = PrivilegeMode.Supervisor;
        hart.Pc = entry;
        hart[10] = (ulong)hart.Id;
        hart[11] = argument;
    }

    /// <summary>A hart as its supervisor sees it.</summary>
    /// <param name="Status">Its state.</param>
    /// <param name="Entry">Where it begins when it starts or resumes; null: where it was.</param>
    /// <param name="Argument">What it finds in a1 then.</param>
    private readonly record struct Supervised(Status Status, ulong? Entry = null, ulong Argument = 0);

    /// <summary>CSR numbers (privileged manual, section 2.2).</summary>
    private static class Csr
    {
        public const int SupervisorStatus = 0x100;
        public const int SupervisorCounterEnable = 0x106;
        public const int SupervisorTimerCompare = 0x14d;
        public const int AddressTranslation = 0x180;
        public const int MachineExceptionDelegation = 0x302;
        public const int MachineInterruptDelegation = 0x303;
        public const int MachineInterruptEnable = 0x304;
        public const int MachineCounterEnable = 0x306;
        public const int MachineEnvironmentConfiguration = 0x30a;
        public const int PmpConfiguration0 = 0x3a0;
        public const int PmpAddress0 = 0x3b0;
        public const int MachineVendorId = 0xf11;
        public const int MachineArchitectureId = 0xf12;
        public const int MachineImplementationId = 0xf13;
    }
}
