using System.Runtime.InteropServices;
using PsVm.Machine.Board;
using PsVm.Riscv.Memory;

namespace PsVm.Machine.Tests.Support;

/// <summary>Guest RAM out of the test's own memory.</summary>
internal sealed unsafe class TestRam : IDisposable
{
    private const nuint PageSize = 4096;

    private readonly List<nint> _allocated = [];

    public TestRam(params (ulong Size, bool ReadOnly)[] blocks) =>
        Memory = new GuestMemory([.. blocks.Select(block => (Allocate(block.Size), block.Size, block.ReadOnly))]);

    public GuestMemory Memory { get; }

    public byte[] Read(ulong address, int length)
    {
        byte[] bytes = new byte[length];
        Assert.True(Memory.Physical.Read(new GuestAddress(address), bytes).IsDone, $"{length} bytes of RAM at 0x{address:x}");
        return bytes;
    }

    public void Write(ulong address, ReadOnlySpan<byte> bytes) =>
        Assert.True(
            Memory.Physical.Write(new GuestAddress(address), bytes).IsDone, $"{bytes.Length} writable bytes of RAM at 0x{address:x}");

    public void Dispose() => _allocated.ForEach(address => NativeMemory.AlignedFree((void*)address));

    // Filled with something, so that a test sees what is cleared.
    private nint Allocate(ulong size)
    {
        nint address = (nint)NativeMemory.AlignedAlloc((nuint)size, PageSize);
        NativeMemory.Fill((void*)address, (nuint)size, 0xa5);
        _allocated.Add(address);
        return address;
    }
}
