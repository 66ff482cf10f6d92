using System.Buffers.Binary;
using System.Text;
using PsVm.Machine.State;

namespace PsVm.Machine.Devices.Virtio;

/// <summary>A console device with named ports, which programs of the guest open as files (<c>/dev/virtio-ports/NAME</c>).</summary>
/// <remarks>
/// <para>
/// Port 0, which would be a console of the kernel's, is not there: guests have their serial port. To the guest the host has each port open
/// all the time, so that a program that waits for the host sleeps.
/// </para>
/// <para>
/// What is to be told of a port is a bit of its, not a message that waits: a driver that asks for the same over and over makes nothing
/// grow.
/// </para>
/// <para>Source: VIRTIO 1.2, section 5.3.</para>
/// </remarks>
internal sealed class VirtioConsole : IVirtioDevice, IDisposable
{
    private const ulong MultiportFeature = 1ul << 1;
    private const int MaxPorts = ConsolePorts.Most + 1;
    private const int ControlInput = 2, ControlOutput = 3;
    private const int MessageSize = 8;
    private const int Piece = 4096;

    // Of each queue for what the driver gives: as many descriptors as its buffer may have.
    private const int InputSize = 16, OutputSize = 64;

    private const ushort DeviceReady = 0, PortAdd = 1, PortReady = 3, PortOpen = 6, PortName = 7;
    private const uint TellAdd = 1, TellName = 2, TellOpen = 4;

    private readonly VirtioPort _transport;
    private readonly ConsolePorts _ports;
    private readonly uint[] _toTell = new uint[MaxPorts];
    private bool _hasPorts;

    /// <param name="transport">Its transport.</param>
    /// <param name="ports">The host's ends of its ports.</param>
    public VirtioConsole(VirtioPort transport, ConsolePorts ports)
    {
        (_transport, _ports) = (transport, ports);
        Connect();
    }

    /// <summary>What boards know of it.</summary>
    public static DeviceKind Kind { get; } = VirtioMmio.WiredKindOf((wires, transport) => new VirtioConsole(transport, wires.Ports));

    public uint DeviceId => 3;

    public ulong Features => MultiportFeature;

    public IReadOnlyList<int> QueueSizes { get; } =
        [.. Enumerable.Range(0, 2 * (MaxPorts + 1)).Select(queue => queue % 2 == 0 ? InputSize : OutputSize)];

    public int ConfigSize => 12;

    public void ReadConfig(Span<byte> config) => BinaryPrimitives.WriteUInt32LittleEndian(config[4..], MaxPorts);

    public void Activate(ulong features) => _hasPorts = (features & MultiportFeature) != 0;

    public bool Accepts(int queue) => queue switch
    {
        ControlInput => Array.Exists(_toTell, bits => bits != 0),
        ControlOutput => true,
        _ when queue % 2 == 0 => PortOf(queue) is { HasInput: true },
        _ => PortOf(queue) is not { TakesOutput: false },
    };

    public void Handle(int queue, VirtioChain chain)
    {
        switch (queue)
        {
            case ControlInput:
                _transport.Complete(chain, Tell(chain));
                break;
            case ControlOutput:
                Hear(chain);
                _transport.Complete(chain, 0);
                break;
            case var input when input % 2 == 0:
                _transport.Complete(chain, Fill(chain, PortOf(input)));
                break;
            default:
                Empty(chain, PortOf(queue));
                break;
        }
    }

    public void Reset()
    {
        Array.Clear(_toTell);
        _hasPorts = false;
        foreach (ConsolePort port in _ports.All)
        {
            port.SetOpen(false);
        }
    }

    public void Transfer(StateStream state)
    {
        byte[] names = Encoding.ASCII.GetBytes(string.Join('\n', _ports.All.Select(port => port.Name)));
        state.Transfer(ref names);
        if (state.IsReading)
        {
            _ports.Replace(Encoding.ASCII.GetString(names).Split('\n', StringSplitOptions.RemoveEmptyEntries));
            Connect();
        }

        state.Transfer(_toTell.AsSpan());
        for (int id = 0; id < MaxPorts; id++)
        {
            bool isOpen = Port((uint)id) is { IsOpen: true };
            state.Transfer(ref isOpen);
            uint known = Port((uint)id) is null ? 0 : TellAdd | TellName | TellOpen;
            if ((_toTell[id] & ~known) != 0 || (isOpen && known == 0))
            {
                throw new InvalidDataException($"something of a port {id} that is not there");
            }

            if (state.IsReading)
            {
                Port((uint)id)?.SetOpen(isOpen);
            }
        }
    }

    public void Dispose() => _ports.Close();

    private void Connect()
    {
        for (int i = 0; i < _ports.All.Count; i++)
        {
            int input = InputOf(i + 1);
            // On the thread of who waits for the guest's answer.
            _ports.All[i].Moved = () =>
            {
                _transport.KickHere(input);
                _transport.KickHere(input + 1);
            };
        }
    }

    /// <summary>Gives the driver the next message.</summary>
    /// <returns>Bytes of it; those that the buffer has no room for are lost.</returns>
    private uint Tell(VirtioChain chain)
    {
        int id = Array.FindIndex(_toTell, bits => bits != 0);
        uint bit = _toTell[id] & ~(_toTell[id] - 1);
        _toTell[id] &= ~bit;
        (ushort what, ushort value, string text) = bit switch
        {
            TellAdd => (PortAdd, (ushort)0, ""),
            TellName => (PortName, (ushort)1, Port((uint)id)!.Name),
            _ => (PortOpen, (ushort)1, ""),
        };
        Span<byte> message = stackalloc byte[MessageSize + ConsolePorts.MostNameLength];
        BinaryPrimitives.WriteUInt32LittleEndian(message, (uint)id);
        BinaryPrimitives.WriteUInt16LittleEndian(message[4..], what);
        BinaryPrimitives.WriteUInt16LittleEndian(message[6..], value);
        int length = MessageSize + Encoding.ASCII.GetBytes(text, message[MessageSize..]);
        return (uint)chain.Write(0, message[..length]);
    }

    /// <summary>Hears what the driver says; what makes no sense says nothing.</summary>
    private void Hear(VirtioChain chain)
    {
        Span<byte> message = stackalloc byte[MessageSize];
        if (!_hasPorts || chain.Read(0, message) < MessageSize)
        {
            return;
        }

        uint id = BinaryPrimitives.ReadUInt32LittleEndian(message);
        bool isTrue = BinaryPrimitives.ReadUInt16LittleEndian(message[6..]) == 1;
        switch (BinaryPrimitives.ReadUInt16LittleEndian(message[4..]))
        {
            case DeviceReady when isTrue:
                for (int i = 0; i < _ports.All.Count; i++)
                {
                    _toTell[i + 1] |= TellAdd;
                }

                break;
            case PortReady when isTrue && Port(id) is not null:
                _toTell[id] |= TellName | TellOpen;
                break;
            case PortOpen when Port(id) is { } port:
                port.SetOpen(isTrue);
                _transport.Kick(InputOf((int)id) + 1);
                break;
        }

        _transport.Kick(ControlInput);
    }

    private static uint Fill(VirtioChain chain, ConsolePort? port)
    {
        Span<byte> bytes = stackalloc byte[Piece];
        uint done = 0;
        while (port is not null && chain.WritableLength - done is > 0 and var room)
        {
            int count = port.Take(bytes[..(int)Math.Min(room, Piece)]);
            if (count == 0)
            {
                break;
            }

            done += (uint)chain.Write(done, bytes[..count]);
        }

        return done;
    }

    private void Empty(VirtioChain chain, ConsolePort? port)
    {
        if (chain.ReadableLength > ConsolePort.MostBuffer)
        {
            _transport.Break($"expected at most {ConsolePort.MostBuffer} bytes for a port at once, found {chain.ReadableLength}");
            return;
        }

        Span<byte> bytes = stackalloc byte[Piece];
        ulong done = 0;
        while (port is not null && chain.Read(done, bytes) is > 0 and var count)
        {
            port.Put(bytes[..count]);
            done += (uint)count;
        }

        _transport.Complete(chain, 0);
    }

    private ConsolePort? Port(uint id) => id - 1 < (uint)_ports.All.Count ? _ports.All[(int)id - 1] : null;

    // Queues of ports: those of port 0, those of control messages, those of port 1 and so on; the device's input before its output.
    private ConsolePort? PortOf(int queue) => queue < 4 ? null : Port((uint)(queue / 2) - 1);

    private static int InputOf(int id) => 2 * (id + 1);
}
