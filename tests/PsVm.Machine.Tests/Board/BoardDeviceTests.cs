using PsVm.Machine.Board;
using PsVm.Machine.Devices;
using PsVm.Machine.Devices.Virtio;
using PsVm.Machine.State;
using PsVm.Machine.Templates;
using PsVm.Machine.Tests.Support;
using PsVm.Riscv;
using PsVm.Riscv.Translation;

namespace PsVm.Machine.Tests.Board;

/// <summary>What a device says of itself is all that a board needs.</summary>
public sealed unsafe class BoardDeviceTests : IDisposable
{
    private static readonly MachineType s_type = MachineType.Get("virt-1.2") with
    {
        Devices = [.. MachineType.Get("virt-1.2").Devices, new("lamp0", Lamp.Kind, 0x2000_0000, 20), new(
            "lamp1", Lamp.Kind, 0x2000_1000, 21)],
    };

    private readonly CodeCache _code = new(TranslatorOptions.Off);
    private readonly GuestBoard _board;

    public BoardDeviceTests() => _board = MakeBoard();

    public void Dispose()
    {
        _board.Dispose();
        _code.Dispose();
    }

    [Fact]
    public void A_device_is_in_the_tree()
    {
        DeviceTree tree = new(BoardDeviceTree.Build(new BoardDescription(s_type, 1, [], "", null, new byte[16])));

        Assert.Equal(["psvm,lamp"], tree.Texts("/soc/lamp@20001000/compatible"));
        Assert.Equal(new AddressRange(0x2000_1000, 8), tree.Reg("/soc/lamp@20001000"));
        Assert.Equal([21], tree.Cells("/soc/lamp@20001000/interrupts"));
        Assert.Equal(tree.Cells("/soc/plic@c000000/phandle"), tree.Cells("/soc/lamp@20001000/interrupt-parent"));
        Assert.Equal([60], tree.Cells("/soc/lamp@20001000/watts"));
        Assert.Equal(["/soc/serial@10000000"], tree.Texts("/chosen/stdout-path"));
    }

    [Fact]
    public void A_device_is_on_the_bus_and_its_line_leads_to_the_interrupt_controller()
    {
        const ulong pending = 0x0c00_1000;

        Assert.True(_board.Bus.TryWrite(0x2000_1000, 4, 1));

        Assert.True(_board.Bus.TryRead(0x2000_1000, 4, out ulong on));
        Assert.True(_board.Bus.TryRead(0x2000_0000, 4, out ulong other));
        Assert.True(_board.Bus.TryRead(pending, 4, out ulong sources));
        Assert.Equal((1ul, 0ul, 1ul << 21), (on, other, sources));
        Assert.False(_board.Bus.TryRead(0x2000_1008, 4, out _));
    }

    [Fact]
    public void A_hart_is_woken_once_the_gates_are_open_under_which_it_was_to_be()
    {
        List<int> woken = [];
        _board.HartSignalled += woken.Add;
        using (Wakes.Hold())
        {
            using (Wakes.Hold())
            {
                _board.Wake(0);
            }

            Assert.Empty(woken);
        }

        Assert.Equal([0], woken);
        _board.Wake(0);
        Assert.Equal([0, 0], woken);
    }

    [Fact]
    public void A_device_is_in_the_state_by_its_name_on_the_board()
    {
        Assert.True(_board.Bus.TryWrite(0x2000_1000, 4, 1));
        Dictionary<string, byte[]> saved = _board.Parts.ToDictionary(part => part.Name, part =>
        {
            StateStream stream = new(part.Part.StateVersion);
            part.Part.Transfer(stream);
            return stream.ToArray();
        });

        Assert.Equal(
            ["aclint", "clock", "generation", "harts", "lamp0", "lamp1", "plic", "rtc", "uart"], saved.Keys.Order());
        Assert.Equal([0], saved["lamp0"]);
        Assert.Equal([1], saved["lamp1"]);
        using GuestBoard other = MakeBoard();
        foreach ((string name, IStateful part) in other.Parts)
        {
            part.Transfer(new StateStream(saved[name], part.StateVersion));
        }

        Assert.True(other.Bus.TryRead(0x2000_1000, 4, out ulong on));
        Assert.Equal(1ul, on);
    }

    [Fact]
    public void Devices_come_to_rest_with_the_guest_and_for_good_at_its_end()
    {
        Lamp.Log.Clear();

        _board.Pause();
        _board.Drain(CancellationToken.None);
        _board.Resume();
        _board.Halt();
        _board.Resume();

        Assert.Equal(["pause", "pause", "drain", "drain", "resume", "resume", "pause", "pause", "drain", "drain"], Lamp.Log);
        Assert.Throws<OperationCanceledException>(() => _board.Drain(new CancellationToken(canceled: true)));
    }

    [Fact]
    public void What_a_guest_is_given_is_in_the_slots_from_the_first_one_up()
    {
        MachineType type = MachineType.Get("virt-1.3");
        using GuestBoard board = new(
            type,
            new GuestMemory([]),
            1,
            null,
            _code,
            new GuestConsole(),
            (_, _) => { },
            [port => new VirtioRng(port), port => new VirtioRng(port)]);

        ulong[] found = [.. type.Devices.Where(place => place.Kind == VirtioMmio.Slot).Select(place => DeviceIdAt(place.Address))];

        Assert.Equal([4, 4, 0, 0, 0, 0], found);

        ulong DeviceIdAt(ulong address) => board.Bus.TryRead(address + 8, sizeof(uint), out ulong id) ? id : ulong.MaxValue;
    }

    /// <summary>Each device of each machine type answers or refuses any access, without an exception.</summary>
    [Fact]
    public void No_access_of_any_width_at_any_offset_throws()
    {
        Random random = new(17);
        foreach (MachineType type in MachineType.All)
        {
            using GuestBoard board = new(type, new GuestMemory([]), 3, null, _code, new GuestConsole(), (_, _) => { });
            foreach (DevicePlacement place in type.Devices)
            {
                IEnumerable<ulong> offsets = Enumerable.Range(0, 0x400).Select(offset => (ulong)offset)
                    .Concat(Enumerable.Range(0, 20_000).Select(_ => (ulong)random.NextInt64((long)place.Range.Size + 16)));
                foreach (ulong offset in offsets)
                {
                    int size = 1 << random.Next(4);
                    if (!board.Bus.TryRead(place.Address + offset, size, out ulong value))
                    {
                        Assert.Equal(0ul, value);
                    }

                    board.Bus.TryWrite(place.Address + offset, size, (ulong)random.NextInt64(long.MinValue, long.MaxValue));
                }
            }
        }
    }

    private GuestBoard MakeBoard() => new(s_type, new GuestMemory([]), 1, null, _code, new GuestConsole(), (_, _) => { });

    /// <summary>A device whose only register switches a lamp, and its interrupt with it.</summary>
    private sealed class Lamp(Action<bool> setInterrupt) : IDevice, IStateful
    {
        private bool _on;

        public static List<string> Log { get; } = [];

        public static DeviceKind Kind { get; } = new()
        {
            Node = "lamp",
            Compatible = ["psvm,lamp"],
            Size = 8,
            Interrupts = 1,
            Create = wires => new Lamp(wires.Interrupts[0].Set),
            Describe = (tree, _) => tree.Property("watts", 60),
        };

        public bool TryRead(ulong offset, int size, out ulong value)
        {
            value = offset == 0 && _on ? 1u : 0;
            return true;
        }

        public bool TryWrite(ulong offset, int size, ulong value)
        {
            _on = (value & 1) != 0;
            setInterrupt(_on);
            return true;
        }

        public void Transfer(StateStream state)
        {
            state.Transfer(ref _on);
            setInterrupt(_on);
        }

        public void Pause() => Log.Add("pause");

        public void Drain(CancellationToken cancellation) => Log.Add("drain");

        public void Resume() => Log.Add("resume");
    }
}
