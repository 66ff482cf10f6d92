using System.Buffers.Binary;
using System.Collections.Concurrent;
using PsVm.Machine.Board;
using PsVm.Machine.Scheduling;
using PsVm.Machine.Tests.Support;
using PsVm.Memory.Native;
using PsVm.Riscv.Tests;

namespace PsVm.Machine.Tests.Guests;

/// <summary>How long a slice gets when each instruction is as dear as a guest can make it: others wait for its end.</summary>
public sealed class SliceTests : IDisposable
{
    // A slice is to take a millisecond; the first, whose cost nobody knows, and those in which the runtime compiles something take longer,
    // so half of them are to be short. One that is bounded by the number of instructions alone took 8 s.
    private static readonly TimeSpan s_longest = TimeSpan.FromMilliseconds(300);

    private readonly HartScheduler _scheduler = new(threads: 1);
    private BareMachine? _machine;

    public void Dispose()
    {
        _machine?.Group.Stop();
        _machine?.Group.WaitUntilEnded(CancellationToken.None);
        _scheduler.Dispose();
        _machine?.Dispose();
    }

    [Fact]
    public void Notifications_of_a_full_queue()
    {
        const ulong slot = 0x1000_8000, ring = MemoryMap.RamStart + 0x1000, available = ring + 0x400, used = ring + 0x800;
        BareMachine machine = Make(
            Asm.Lui(Asm.A0, 0x10008),
            Asm.Auipc(Asm.A1, 1), // the ring and 4
            Asm.Load(5, Asm.A2, Asm.A1, 0x3fe),
            Asm.Addi(Asm.A2, Asm.A2, 63), // one less than what is left to the pool
            Asm.Store(1, Asm.A2, Asm.A1, 0x3fe),
            Asm.Sw(Asm.Zero, Asm.A0, 0x50),
            Asm.Jal(Asm.Zero, -16));
        for (ushort i = 0; i < 64; i++)
        {
            Span<byte> descriptor = machine.Ram.Slice(0x1000 + (16 * i), 16);
            BinaryPrimitives.WriteUInt64LittleEndian(descriptor, MemoryMap.RamStart + 0x2000);
            BinaryPrimitives.WriteUInt32LittleEndian(descriptor[8..], 4096);
            BinaryPrimitives.WriteUInt16LittleEndian(descriptor[12..], VirtioRing.Write);
            BinaryPrimitives.WriteUInt16LittleEndian(machine.Ram[(0x1404 + (2 * i))..], i);
        }

        foreach ((ulong register, ulong value) in (ReadOnlySpan<(ulong, ulong)>)
        [
            (VirtioDriver.StatusRegister, 3), (VirtioDriver.DriverFeaturesSelect, 1), (VirtioDriver.DriverFeatures, 1),
            (VirtioDriver.StatusRegister, 11),
            (VirtioDriver.QueueSize, 64), (VirtioDriver.QueueDescriptors, ring), (VirtioDriver.QueueDriver, available),
            (VirtioDriver.QueueDevice, used), (VirtioDriver.QueueReady, 1), (VirtioDriver.StatusRegister, 15),
        ])
        {
            Assert.True(machine.Board.Bus.TryWrite(slot + register, 4, value));
        }

        AssertShort(machine);
        Assert.True(machine.Board.Bus.TryRead(slot + VirtioDriver.StatusRegister, 4, out ulong status));
        Assert.Equal(15ul, status); // and it worked all the time
    }

    // A loop of one instruction, with the UART's, the PLIC's and the RTC's registers in a0 to a2, and RAM in a3.
    public static TheoryData<string, uint> Instruction() => new()
    {
        { "sfence.vma", Asm.SfenceVma(Asm.Zero, Asm.Zero) },
        { "fence.i", 0x0000_100f },
        { "csrw satp", Asm.Csrrw(Asm.Zero, 0x180, Asm.Zero) },
        { "csrw pmpaddr0", Asm.Csrrw(Asm.Zero, 0x3b0, Asm.Zero) },
        { "csrw mie", Asm.Csrrw(Asm.Zero, 0x304, Asm.Zero) },
        { "a character", Asm.Store(0, Asm.A3, Asm.A0, 0) },
        { "an interrupt claimed", Asm.Load(2, Asm.T0, Asm.A1, 4) },
        { "an alarm", Asm.Sw(Asm.Zero, Asm.A2, 8) },
        { "nothing there", Asm.Load(2, Asm.T0, Asm.Zero, 0) },
        { "illegal", 0 },
        { "its own code", Asm.Sw(Asm.Zero, Asm.A3, 0x100) },
    };

    [Theory]
    [MemberData(nameof(Instruction))]
    public void An_instruction_again_and_again(string what, uint instruction)
    {
        Assert.NotEmpty(what);
        AssertShort(Make(
            Asm.Lui(Asm.A0, 0x10000),
            Asm.Lui(Asm.A1, 0x0c200),
            Asm.Lui(Asm.A2, 0x00101),
            Asm.Auipc(Asm.A3, 0),
            Asm.Addi(Asm.A3, Asm.A3, -12),
            Asm.Addi(Asm.T1, Asm.A3, 32),
            Asm.Csrrw(Asm.Zero, 0x305, Asm.T1), // traps come back
            Asm.Nop,
            instruction,
            instruction,
            instruction,
            instruction,
            instruction,
            instruction,
            Asm.Jal(Asm.Zero, -24)));
    }

    private BareMachine Make(params uint[] program) => _machine = new BareMachine(_scheduler, 1, program);

    private static void AssertShort(BareMachine machine)
    {
        ConcurrentQueue<TimeSpan> slices = [];
        TimeSpan before = default;
        machine.OnSlice = () =>
        {
            TimeSpan now = KernelCalls.ThreadCpuTime;
            slices.Enqueue(now - before);
            before = now;
        };

        machine.Group.Release();
        Assert.True(SpinWait.SpinUntil(() => slices.Count > 20, TimeSpan.FromMinutes(1)), $"{slices.Count} slices");
        machine.Group.Hold(CancellationToken.None);
        Assert.InRange(slices.Order().ElementAt(slices.Count / 2), TimeSpan.Zero, s_longest);
    }
}
