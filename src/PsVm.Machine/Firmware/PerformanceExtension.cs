using System.Numerics;
using System.Runtime.CompilerServices;
using PsVm.Machine.State;
using PsVm.Riscv;
using PsVm.Riscv.Memory;

namespace PsVm.Machine.Firmware;

/// <summary>
/// Counters (chapter "Performance Monitoring Unit Extension"): cycles and instructions by the hart's own, which need no call to be read,
/// and sixteen that count what this firmware does. Each hart has its own, and only its own calls change them.
/// </summary>
internal sealed class PerformanceExtension(SbiContext context) : ISbiExtension, IStateful
{
    // Counters are numbered as their CSRs, from cycle on, with those of the firmware behind; the place of time stays empty.
    private const int Cycles = 0, Instructions = 2, FirstFirmware = 3, FirmwareCounters = 16;
    private const int Count = FirstFirmware + FirmwareCounters;
    private const ulong All = ((1ul << Count) - 1) & ~2ul;
    private const ulong Hardware = 1ul << Cycles | 1ul << Instructions;

    private const ulong SkipMatch = 1, ClearValue = 2, AutoStart = 4, ConfigurationFlags = 0xff;
    private const ulong SetValue = 1, Snapshot = 2, StartAndStopFlags = 3;
    private const ulong ResetMapping = 1;

    private const uint HardwareType = 0, FirmwareType = 15;
    private const int TypeShift = 16, EventBits = 20;

    // Entries of a table of events that one call looks at.
    private const ulong MostEntries = 1024;

    private readonly HartCounters[] _harts = MakeCounters(context.Harts.Count);

    public IReadOnlyList<ulong> Ids => [0x50_4d55]; // "PMU"

    private static HartCounters[] MakeCounters(int harts)
    {
        var counters = new HartCounters[harts];
        for (int hart = 0; hart < harts; hart++)
        {
            counters[hart] = new HartCounters();
        }

        return counters;
    }

    public SbiResult Call(Hart hart, ulong id, ulong function) => function switch
    {
        0 => SbiResult.Success(Count),
        1 => Describe(hart[10]),
        2 => Configure(hart),
        3 => Start(hart),
        4 => Stop(hart),
        5 => ReadFirmware(hart),
        6 => IsFirmware(hart[10]) ? SbiResult.Success() : SbiError.InvalidParameter, // the upper half, on 32-bit harts
        8 => FindEvents(hart[10], hart[11], hart[12], hart[13]),
        _ => SbiError.NotSupported, // the snapshot in shared memory is optional
    };

    public void Reset(int hart) => _harts[hart] = new HartCounters();

    /// <inheritdoc/>
    /// <remarks>Optimised from the first clone on: a clone that uses no counter has them all in its state.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Transfer(StateStream state)
    {
        for (int hart = 0; hart < _harts.Length; hart++)
        {
            HartCounters counters = _harts[hart];
            ulong started = counters.Started;
            state.Transfer(ref started);
            if ((started & ~All) != 0)
            {
                throw new InvalidDataException($"hart {hart} with counters started that there are not: 0x{started:x}");
            }

            counters.Started = started;
            for (int counter = 0; counter < FirmwareCounters; counter++)
            {
                uint counted = (uint)(counters.Firmware[counter].Event ?? 0);
                ulong value = state.IsReading ? 0 : Value(hart, counter);
                state.Transfer(ref counted);
                state.Transfer(ref value);
                if (counted != 0 && !Enum.IsDefined((FirmwareEvent)counted))
                {
                    throw new InvalidDataException($"hart {hart} with a counter of firmware event {counted}");
                }

                if (state.IsReading && (counted | value) == 0)
                {
                    continue; // as it is at reset
                }

                FirmwareEvent? happening = counted == 0 ? null : (FirmwareEvent)counted;
                counters.Firmware[counter] = new FirmwareCounter(happening, value, Happened(hart, happening));
            }
        }
    }

    private static bool IsFirmware(ulong counter) => counter is >= FirstFirmware and < Count;

    /// <summary>The counters, as bits, of the mask in a1 that starts at the counter in a0.</summary>
    /// <returns>False: it names a counter that there is not.</returns>
    private static bool TrySelect(Hart caller, out ulong counters)
    {
        (ulong first, ulong mask) = (caller[10], caller[11]);
        counters = first < Count ? mask << (int)first : 0;
        return first < Count && counters >> (int)first == mask && (counters & ~All) == 0;
    }

    private static SbiResult Describe(ulong counter)
    {
        const ulong width = 63ul << 12; // less one
        const ulong isFirmware = 1ul << 63;
        return counter switch
        {
            Cycles => SbiResult.Success(SbiCsr.Cycles | width),
            Instructions => SbiResult.Success(SbiCsr.Instructions | width),
            >= FirstFirmware and < Count => SbiResult.Success(isFirmware | width),
            _ => SbiError.InvalidParameter,
        };
    }

    private static void Inhibit(Hart hart, int counter, bool inhibited)
    {
        if (hart.TryReadCsr(SbiCsr.MachineCounterInhibit, out ulong inhibit))
        {
            ulong bit = 1ul << counter;
            hart.TryWriteCsr(SbiCsr.MachineCounterInhibit, inhibited ? inhibit | bit : inhibit & ~bit);
        }
    }

    /// <summary>The counters that can count an event.</summary>
    private static ulong CountersOf(ulong numbered)
    {
        (ulong type, ulong code) = (numbered >> TypeShift, numbered & ((1 << TypeShift) - 1));
        return (type, code) switch
        {
            (HardwareType, 1) => 1ul << Cycles,
            (HardwareType, 2) => 1ul << Instructions,
            (FirmwareType, _) when Enum.IsDefined((FirmwareEvent)code) => All & ~Hardware,
            _ => 0,
        };
    }

    private SbiResult Configure(Hart hart)
    {
        (ulong flags, ulong numbered) = (hart[12], hart[13]);
        if (!TrySelect(hart, out ulong chosen) || (flags & ~ConfigurationFlags) != 0)
        {
            return SbiError.InvalidParameter;
        }

        HartCounters counters = _harts[hart.Id];
        ulong fitting = chosen & CountersOf(numbered);
        ulong free = (flags & SkipMatch) != 0 ? fitting & (chosen & (~chosen + 1)) : fitting & ~counters.Started & ~counters.Mapped;
        if (free == 0)
        {
            return SbiError.NotSupported;
        }

        int counter = BitOperations.TrailingZeroCount(free);
        if (IsFirmware((ulong)counter))
        {
            var happening = (FirmwareEvent)(numbered & ((1 << TypeShift) - 1));
            ulong value = (flags & ClearValue) != 0 ? 0 : Value(hart.Id, counter - FirstFirmware);
            counters.Firmware[counter - FirstFirmware] = new FirmwareCounter(happening, value, Happened(hart.Id, happening));
        }
        else if ((flags & ClearValue) != 0)
        {
            Write(hart, counter, 0);
        }

        if ((flags & AutoStart) != 0)
        {
            Run(hart, counter);
        }

        return SbiResult.Success((ulong)counter);
    }

    private SbiResult Start(Hart hart)
    {
        (ulong flags, ulong value) = (hart[12], hart[13]);
        if (!TrySelect(hart, out ulong chosen) || (flags & ~StartAndStopFlags) != 0)
        {
            return SbiError.InvalidParameter;
        }

        if ((flags & Snapshot) != 0)
        {
            return SbiError.NoSharedMemory;
        }

        ulong running = chosen & _harts[hart.Id].Started;
        for (ulong left = chosen & ~running; left != 0; left &= left - 1)
        {
            int counter = BitOperations.TrailingZeroCount(left);
            if ((flags & SetValue) != 0)
            {
                Write(hart, counter, value);
            }

            Run(hart, counter);
        }

        return running == 0 ? SbiResult.Success() : SbiError.AlreadyStarted;
    }

    private SbiResult Stop(Hart hart)
    {
        ulong flags = hart[12];
        if (!TrySelect(hart, out ulong chosen) || (flags & ~StartAndStopFlags) != 0)
        {
            return SbiError.InvalidParameter;
        }

        if ((flags & Snapshot) != 0)
        {
            return SbiError.NoSharedMemory;
        }

        HartCounters counters = _harts[hart.Id];
        ulong running = chosen & counters.Started;
        for (ulong left = chosen; left != 0; left &= left - 1)
        {
            int counter = BitOperations.TrailingZeroCount(left);
            if (!IsFirmware((ulong)counter))
            {
                if ((running >> counter & 1) != 0)
                {
                    Inhibit(hart, counter, inhibited: true);
                }

                continue;
            }

            ref FirmwareCounter firmware = ref counters.Firmware[counter - FirstFirmware];
            firmware = new FirmwareCounter(
                (flags & ResetMapping) != 0 ? null : firmware.Event, Value(hart.Id, counter - FirstFirmware), 0);
        }

        counters.Started &= ~chosen;
        return running == chosen ? SbiResult.Success() : SbiError.AlreadyStopped;
    }

    private SbiResult ReadFirmware(Hart hart) => IsFirmware(hart[10])
        ? SbiResult.Success(Value(hart.Id, (int)hart[10] - FirstFirmware))
        : SbiError.InvalidParameter;

    /// <summary>Says of each event of a table in RAM, 16 bytes each, whether it can be counted.</summary>
    private SbiResult FindEvents(ulong low, ulong high, ulong entries, ulong flags)
    {
        const ulong entrySize = 16;
        const ulong answerOffset = 4;
        GuestAddress table = new(low);
        if (flags != 0 || !table.IsAligned(entrySize))
        {
            return SbiError.InvalidParameter;
        }

        if (entries > MostEntries)
        {
            return SbiError.Failed;
        }

        if (high != 0 || !context.Memory.Check(table, entries * entrySize, RamUse.Write).IsDone)
        {
            return SbiError.InvalidAddress;
        }

        if (!context.Memory.TryHave(table, entries * entrySize))
        {
            return SbiResult.Later;
        }

        for (ulong entry = 0; entry < entries; entry++)
        {
            if (!table.TryAdd(entry * entrySize, out GuestAddress at) || !at.TryAdd(answerOffset, out GuestAddress answer)
                || !context.Memory.TryLoad(at, out uint numbered))
            {
                return SbiError.InvalidAddress;
            }

            if (numbered >> EventBits != 0)
            {
                return SbiError.InvalidParameter;
            }

            context.Memory.Store(answer, CountersOf(numbered) != 0 ? 1u : 0);
        }

        return SbiResult.Success();
    }

    private void Run(Hart hart, int counter)
    {
        HartCounters counters = _harts[hart.Id];
        counters.Started |= 1ul << counter;
        if (!IsFirmware((ulong)counter))
        {
            Inhibit(hart, counter, inhibited: false);
            return;
        }

        ref FirmwareCounter firmware = ref counters.Firmware[counter - FirstFirmware];
        firmware = firmware with { Since = Happened(hart.Id, firmware.Event) };
    }

    private void Write(Hart hart, int counter, ulong value)
    {
        if (IsFirmware((ulong)counter))
        {
            ref FirmwareCounter firmware = ref _harts[hart.Id].Firmware[counter - FirstFirmware];
            firmware = firmware with { Held = value, Since = Happened(hart.Id, firmware.Event) };
            return;
        }

        hart.TryWriteCsr(counter == Cycles ? SbiCsr.MachineCycles : SbiCsr.MachineInstructions, value);
    }

    private ulong Happened(int hart, FirmwareEvent? happening) => happening is { } counted ? context.Events[hart, counted] : 0;

    private ulong Value(int hart, int firmwareCounter)
    {
        HartCounters counters = _harts[hart];
        FirmwareCounter counter = counters.Firmware[firmwareCounter];
        bool isStarted = (counters.Started >> (FirstFirmware + firmwareCounter) & 1) != 0;
        return isStarted ? counter.Held + (Happened(hart, counter.Event) - counter.Since) : counter.Held;
    }

    /// <summary>The counters of a hart.</summary>
    private sealed class HartCounters
    {
        /// <summary>Those that were started, as bits.</summary>
        public ulong Started { get; set; }

        /// <summary>Those of the firmware.</summary>
        public FirmwareCounter[] Firmware { get; } = new FirmwareCounter[FirmwareCounters];

        /// <summary>Those of the firmware that an event was chosen for, as bits.</summary>
        public ulong Mapped
        {
            get
            {
                ulong mapped = 0;
                for (int counter = 0; counter < FirmwareCounters; counter++)
                {
                    mapped |= Firmware[counter].Event is null ? 0 : 1ul << (FirstFirmware + counter);
                }

                return mapped;
            }
        }
    }

    /// <summary>A counter of the firmware.</summary>
    /// <param name="Event">What it counts; null: nothing was chosen.</param>
    /// <param name="Held">What it had counted when it was started or stopped.</param>
    /// <param name="Since">How often the event had happened when it was started.</param>
    private readonly record struct FirmwareCounter(FirmwareEvent? Event, ulong Held, ulong Since);
}
