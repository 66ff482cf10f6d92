using System.Runtime.InteropServices;
using Mono.Unix.Native;
using PsVm.Machine.Board;

namespace PsVm.Fuzz;

/// <summary>
/// Guest RAM with pages around each block, and read-only blocks, that end the process when they are written; RAM of read-only blocks
/// holds zeros.
/// </summary>
internal sealed unsafe class GuardedRam : IDisposable
{
    private const ulong PageSize = 4096;

    private readonly List<(nint Address, ulong Size)> _mapped = [];

    public GuardedRam(params IReadOnlyList<(ulong Size, bool ReadOnly)> blocks)
    {
        Hosts = [.. blocks.Select(block => Map(block.Size, block.ReadOnly))];
        Memory = new GuestMemory([.. Hosts.Zip(blocks, (host, block) => (host, block.Size, block.ReadOnly))]);
    }

    /// <summary>Host addresses of the blocks.</summary>
    public IReadOnlyList<nint> Hosts { get; }

    public GuestMemory Memory { get; }

    public Span<byte> Block(int index) => new((void*)Hosts[index], (int)Memory.Blocks[index].Range.Size);

    public void Dispose() => _mapped.ForEach(mapping => _ = Syscall.munmap(mapping.Address, mapping.Size));

    private nint Map(ulong size, bool readOnly)
    {
        const MmapFlags flags = MmapFlags.MAP_PRIVATE | MmapFlags.MAP_ANONYMOUS | MmapFlags.MAP_NORESERVE;
        ulong whole = size + (2 * PageSize);
        nint address = Syscall.mmap(0, whole, MmapProts.PROT_NONE, flags, -1, 0);
        nint block = address + (nint)PageSize;
        MmapProts access = readOnly ? MmapProts.PROT_READ : MmapProts.PROT_READ | MmapProts.PROT_WRITE;
        if (address == -1 || Syscall.mprotect(block, size, access) != 0)
        {
            throw new InvalidOperationException(Stdlib.strerror(Stdlib.GetLastError()));
        }

        _mapped.Add((address, whole));
        return block;
    }
}
