using PsVm.Machine.State;

namespace PsVm.Machine.Devices;

/// <summary>A 16550A serial port in front of the guest's console.</summary>
/// <remarks>
/// Characters leave at once, so the transmitter is always empty. Received characters stay in the console's queue until the guest
/// reads them: the FIFO is a window on that queue, so it never overruns. A break is received as a zero with the break indicator, which
/// reading the line status clears. Loopback mode reflects the modem lines and drops data.
/// Source: National Semiconductor PC16550D data sheet, section 8.
/// </remarks>
internal sealed class Uart : IDevice, IStateful, IDisposable
{
    private const int FifoSize = 16;

    private const byte LineControlDivisorLatch = 0x80;
    private const byte FifoEnable = 0x01;
    private const byte FifoClearReceiver = 0x02;
    private const byte ModemLoopback = 0x10;

    private const byte EnableReceived = 0x01;
    private const byte EnableTransmitterEmpty = 0x02;
    private const byte EnableLineStatus = 0x04;

    private const byte IdNone = 0x01;
    private const byte IdTransmitterEmpty = 0x02;
    private const byte IdReceived = 0x04;
    private const byte IdLineStatus = 0x06;
    private const byte IdReceiveTimeout = 0x0c;
    private const byte IdFifosEnabled = 0xc0;

    private const byte LineStatusDataReady = 0x01;
    private const byte LineStatusBreak = 0x10;
    private const byte LineStatusTransmitterEmpty = 0x60;
    private const byte ModemStatusReady = 0xb0;

    private const byte InterruptEnableMask = 0x0f;
    private const byte ModemControlMask = 0x1f;

    private readonly Lock _gate = new();
    private readonly GuestConsole _console;
    private readonly Action<bool> _setInterrupt;

    private byte _interruptEnable;
    private byte _fifoControl;
    private byte _lineControl;
    private byte _modemControl;
    private byte _scratch;
    private byte _divisorLow;
    private byte _divisorHigh;
    private bool _transmitterEmptyPending;
    private bool _breakTold;

    /// <param name="console">Where characters go to and come from.</param>
    /// <param name="setInterrupt">Sets the level of the interrupt line.</param>
    public Uart(GuestConsole console, Action<bool> setInterrupt)
    {
        _console = console;
        _setInterrupt = setInterrupt;
        console.InputChanged += OnInputChanged;
    }

    /// <summary>What boards know of it.</summary>
    public static DeviceKind Kind { get; } = new()
    {
        Node = "serial",
        Compatible = ["ns16550a"],
        Size = 0x100,
        Interrupts = 1,
        IsConsole = true,
        Create = wires => new Uart(wires.Console, wires.Interrupts[0].Set),
        Describe = (tree, _) => tree.Property("clock-frequency", 3_686_400),
    };

    public bool TryRead(ulong offset, int size, out ulong value)
    {
        if (offset > 7)
        {
            value = 0;
            return false;
        }

        lock (_gate)
        {
            value = Read((int)offset);
        }

        return true;
    }

    public bool TryWrite(ulong offset, int size, ulong value)
    {
        if (offset > 7)
        {
            return false;
        }

        lock (_gate)
        {
            Write((int)offset, (byte)value);
        }

        return true;
    }

    public void Transfer(StateStream state)
    {
        // The console has a lock of its own, and calls back under none.
        byte[] input = _console.PeekInput();
        state.Transfer(ref input);
        lock (_gate)
        {
            state.Transfer(ref _interruptEnable);
            state.Transfer(ref _fifoControl);
            state.Transfer(ref _lineControl);
            state.Transfer(ref _modemControl);
            state.Transfer(ref _scratch);
            state.Transfer(ref _divisorLow);
            state.Transfer(ref _divisorHigh);
            state.Transfer(ref _transmitterEmptyPending);
            if (_interruptEnable > InterruptEnableMask || _modemControl > ModemControlMask)
            {
                throw new InvalidDataException(
                    $"interrupt enable 0x{_interruptEnable:x} and modem control 0x{_modemControl:x}, with bits that do not exist");
            }

            UpdateInterrupt();
        }

        if (state.IsReading && !_console.TryType(input))
        {
            throw new InvalidDataException($"{input.Length} bytes of console input, more than may wait");
        }
    }

    /// <summary>Listens no more; the console may go on with the serial port of another machine.</summary>
    public void Dispose() => _console.InputChanged -= OnInputChanged;

    private bool DivisorLatchAccess => (_lineControl & LineControlDivisorLatch) != 0;

    private byte Read(int register)
    {
        switch (register)
        {
            case 0 when DivisorLatchAccess:
                return _divisorLow;
            case 0:
                // The console tells of the taken character, and that updates the interrupt line.
                _breakTold = false;
                return _console.TryReceive(out byte received) ? received : (byte)0;
            case 1:
                return DivisorLatchAccess ? _divisorHigh : _interruptEnable;
            case 2:
                byte id = InterruptId();
                if (id == IdTransmitterEmpty)
                {
                    _transmitterEmptyPending = false;
                    UpdateInterrupt();
                }

                return (byte)(id | ((_fifoControl & FifoEnable) != 0 ? IdFifosEnabled : 0));
            case 3:
                return _lineControl;
            case 4:
                return _modemControl;
            case 5:
                return LineStatus();
            case 6:
                return ModemStatus();
            default:
                return _scratch;
        }
    }

    private void Write(int register, byte value)
    {
        switch (register)
        {
            case 0 when DivisorLatchAccess:
                _divisorLow = value;
                break;
            case 0:
                if ((_modemControl & ModemLoopback) == 0)
                {
                    _console.Write([value]);
                }

                _transmitterEmptyPending = true;
                UpdateInterrupt();
                break;
            case 1 when DivisorLatchAccess:
                _divisorHigh = value;
                break;
            case 1:
                // Turning the transmitter's interrupt on asks for one at once, for the transmitter is empty.
                _transmitterEmptyPending |= (value & ~_interruptEnable & EnableTransmitterEmpty) != 0;
                _interruptEnable = (byte)(value & InterruptEnableMask);
                UpdateInterrupt();
                break;
            case 2:
                _fifoControl = value;
                if ((value & FifoClearReceiver) != 0)
                {
                    ClearReceiver();
                }

                UpdateInterrupt();
                break;
            case 3:
                _lineControl = value;
                break;
            case 4:
                _modemControl = (byte)(value & ModemControlMask);
                break;
            case 7:
                _scratch = value;
                break;
        }
    }

    private void ClearReceiver()
    {
        _breakTold = false;
        for (int i = 0; i < FifoSize && _console.TryReceive(out _); i++)
        {
        }
    }

    private bool HasNewBreak => !_breakTold && _console.NextIsBreak;

    private byte LineStatus()
    {
        int status = LineStatusTransmitterEmpty | (_console.InputCount > 0 ? LineStatusDataReady : 0);
        if (HasNewBreak)
        {
            status |= LineStatusBreak;
            _breakTold = true;
            UpdateInterrupt();
        }

        return (byte)status;
    }

    private byte InterruptId()
    {
        if ((_interruptEnable & EnableLineStatus) != 0 && HasNewBreak)
        {
            return IdLineStatus;
        }

        int waiting = _console.InputCount;
        if (waiting > 0 && (_interruptEnable & EnableReceived) != 0)
        {
            return waiting >= TriggerLevel() ? IdReceived : IdReceiveTimeout;
        }

        return _transmitterEmptyPending && (_interruptEnable & EnableTransmitterEmpty) != 0 ? IdTransmitterEmpty : IdNone;
    }

    private int TriggerLevel() => (_fifoControl & FifoEnable) == 0 ? 1 : (_fifoControl >> 6) switch
    {
        0 => 1,
        1 => 4,
        2 => 8,
        _ => 14,
    };

    private byte ModemStatus()
    {
        if ((_modemControl & ModemLoopback) == 0)
        {
            return ModemStatusReady;
        }

        // Looped back: RTS to CTS, DTR to DSR, OUT1 to RI, OUT2 to DCD.
        int lines = _modemControl;
        return (byte)(((lines & 0x02) << 3) | ((lines & 0x01) << 5) | ((lines & 0x04) << 4) | ((lines & 0x08) << 4));
    }

    private void OnInputChanged()
    {
        lock (_gate)
        {
            UpdateInterrupt();
        }
    }

    private void UpdateInterrupt() => _setInterrupt(InterruptId() != IdNone);
}
