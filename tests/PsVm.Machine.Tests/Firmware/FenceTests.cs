using System.Buffers.Binary;
using PsVm.Machine.Board;
using PsVm.Machine.Devices;
using PsVm.Machine.Tests.Support;
using PsVm.Memory.Native;
using PsVm.Riscv;
using PsVm.Riscv.Memory;
using PsVm.Riscv.Tests;

namespace PsVm.Machine.Tests.Firmware;

/// <summary>
/// SBI specification 3.0, chapter "RFENCE Extension": a hart forgets what a fence names and keeps the rest. Where it has forgotten a page
/// its next load sets the A bit again, which the test has taken away.
/// </summary>
public sealed class FenceTests : IDisposable
{
    private const ulong Fence = 0x5246_4e43, Addresses = 1, AddressSpace = 2, Asid = 7;
    private const ulong Root = MemoryMap.RamStart + 0x10000, Leaves = Root + 0x2000, Page = 0x4000_5000, Code = 0x4000_1000;
    private const ulong V = 1, R = 2, X = 8, A = 64;
    private const int Satp = 0x180;

    private readonly SbiHarts _sbi = new();

    public FenceTests()
    {
        _sbi.Sbi.Start(1, SbiHarts.Entry, 0);
        _sbi.Sbi.Prepare(_sbi.Harts[1]);
        Write(Root + 8, (Root + 0x1000) >> 12 << 10 | V);
        Write(Root + 0x1000, Leaves >> 12 << 10 | V);
        Write(Leaves + (1 * 8), SbiHarts.Entry >> 12 << 10 | V | R | X | A);
        Write(Leaves + (5 * 8), MemoryMap.RamStart >> 12 << 10 | V | R);
        Write(SbiHarts.Entry, Asm.Ld(Asm.T0, Asm.T1, 0) | (ulong)Asm.Jal(Asm.Zero, -4) << 32);
        Hart hart = _sbi.Harts[1];
        hart.TryWriteCsr(Satp, 8ul << 60 | Asid << 44 | Root >> 12);
        (hart.Pc, hart[Asm.T1]) = (Code, Page);
    }

    public void Dispose() => _sbi.Dispose();

    [Theory]
    [InlineData(Addresses, Page, 4096ul, 0ul, true)]
    [InlineData(Addresses, Page - 4096, 4096ul, 0ul, false)]
    [InlineData(Addresses, Page - 4096, 4097ul, 0ul, true)]
    [InlineData(Addresses, 0ul, 0ul, 0ul, true)] // everything
    [InlineData(Addresses, 0ul, ulong.MaxValue, 0ul, true)] // everything
    [InlineData(Addresses, Page + 4096, ulong.MaxValue, 0ul, true)] // everything
    [InlineData(AddressSpace, Page, 4096ul, Asid, true)]
    [InlineData(AddressSpace, Page, 4096ul, Asid + 1, false)]
    [InlineData(AddressSpace, 0ul, 0ul, Asid, true)]
    [InlineData(AddressSpace, 0ul, 0ul, Asid + 1, false)]
    [InlineData(AddressSpace, Page, 4096ul, Asid + 0x1_0000, true)] // none that there can be: all of them
    public void A_hart_forgets_what_the_fence_names(ulong function, ulong start, ulong size, ulong asid, bool forgets)
    {
        Assert.True(IsLookedUp());
        Assert.False(IsLookedUp());

        Assert.Equal((SbiHarts.Success, 0ul), _sbi.Call(Fence, function, 2, 0, start, size, asid));

        Assert.Equal(forgets, IsLookedUp());
    }

    /// <summary>
    /// As where a page of its RAM is of a server that does not answer; here it is a device. Other guests have the CPU meanwhile.
    /// </summary>
    [Fact]
    public void Who_waits_for_a_hart_that_does_not_come_back_takes_little_CPU_time()
    {
        const ulong place = 0x1000_0000;
        using StuckDevice device = new();
        using SbiHarts sbi = new(bus: new DeviceBus((new AddressRange(place, 0x1000), device)));
        sbi.Sbi.Start(1, SbiHarts.Entry, 0);
        sbi.Sbi.Prepare(sbi.Harts[1]);
        sbi.Ram.Write(SbiHarts.Entry, BitConverter.GetBytes(Asm.Ld(Asm.T0, Asm.T1, 0)));
        sbi.Harts[1][Asm.T1] = place;
        Thread stuck = new(() => sbi.Harts[1].Run(1));
        stuck.Start();
        Assert.True(device.IsRead.Wait(TimeSpan.FromSeconds(60)), "the hart reads the device");
        TimeSpan cpu = default;
        Thread waits = new(() =>
        {
            TimeSpan began = KernelCalls.ThreadCpuTime;
            sbi.Call(Fence, Addresses, 2, 0, 0, 0, 0);
            cpu = KernelCalls.ThreadCpuTime - began;
        });
        waits.Start();
        Thread.Sleep(1000);

        Assert.True(waits.IsAlive, "the fence is not over before the hart has left its block");
        device.MayAnswer.Set();
        waits.Join();
        stuck.Join();
        Assert.InRange(cpu, TimeSpan.Zero, TimeSpan.FromMilliseconds(300));
    }

    private bool IsLookedUp()
    {
        const ulong leaf = Leaves + (5 * 8);
        Write(leaf, Read(leaf) & ~A);
        _sbi.Harts[1].Run(4);
        Assert.Equal(Code & ~0xffful, _sbi.Harts[1].Pc & ~0xffful);
        return (Read(leaf) & A) != 0;
    }

    private void Write(ulong address, ulong value)
    {
        byte[] bytes = new byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        _sbi.Ram.Write(address, bytes);
    }

    private ulong Read(ulong address)
    {
        byte[] bytes = new byte[8];
        _sbi.Ram.Memory.Physical.Read(new GuestAddress(address), bytes);
        return BinaryPrimitives.ReadUInt64LittleEndian(bytes);
    }

    /// <summary>A device that answers once it may.</summary>
    private sealed class StuckDevice : IDevice, IDisposable
    {
        public ManualResetEventSlim IsRead { get; } = new();

        public ManualResetEventSlim MayAnswer { get; } = new();

        public bool TryRead(ulong offset, int size, out ulong value)
        {
            IsRead.Set();
            MayAnswer.Wait();
            value = 0;
            return true;
        }

        public bool TryWrite(ulong offset, int size, ulong value) => true;

        public void Dispose()
        {
            IsRead.Dispose();
            MayAnswer.Dispose();
        }
    }
}
