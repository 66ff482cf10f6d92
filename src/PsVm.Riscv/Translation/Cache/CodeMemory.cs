using System.Runtime.InteropServices;
using PsVm.Riscv.Memory;

namespace PsVm.Riscv.Translation.Cache;

/// <summary>
/// Memory for generated code, mapped twice: writable in one place, executable in another, so that no page is both at once through
/// the same mapping.
/// </summary>
internal sealed unsafe partial class CodeMemory : IDisposable
{
    /// <summary>What is handed out begins at addresses of this alignment.</summary>
    public const int Alignment = 16;

    private const int ProtRead = 1, ProtWrite = 2, ProtExec = 4, MapShared = 1;
    private const int InvalidArgument = 22;
    private const uint CloseOnExec = 1, MayExecute = 0x10;

    // What is free, in the order of addresses; neighbours are one piece.
    private readonly List<(nuint Start, nuint Size)> _free;
    private readonly byte* _writable;
    private readonly byte* _executable;

    private CodeMemory(nuint size, byte* writable, byte* executable)
    {
        Size = size;
        _free = [(0, size)];
        _writable = writable;
        _executable = executable;
    }

    /// <summary>Maps memory for code; null: the kernel refuses, as it may where a file in memory must not be executable.</summary>
    /// <param name="size">Bytes, whole pages.</param>
    /// <param name="refusal">Which call failed, and why.</param>
    /// <remarks>Source: memfd_create(2), and the kernel's admin-guide/sysctl/vm.rst, memfd_noexec.</remarks>
    public static CodeMemory? TryMap(nuint size, out string? refusal)
    {
        refusal = null;
        int file = HostPages.memfd_create("psvm-code", CloseOnExec | MayExecute);
        if (file < 0 && Marshal.GetLastPInvokeError() == InvalidArgument)
        {
            file = HostPages.memfd_create("psvm-code", CloseOnExec); // before Linux 6.3 there is no such flag
        }

        if (file < 0)
        {
            refusal = Refusal(nameof(HostPages.memfd_create));
            return null;
        }

        try
        {
            if (HostPages.ftruncate(file, (nint)size) != 0)
            {
                refusal = Refusal(nameof(HostPages.ftruncate));
                return null;
            }

            byte* writable = Map(file, size, ProtRead | ProtWrite, ref refusal);
            byte* executable = writable is null ? null : Map(file, size, ProtRead | ProtExec, ref refusal);
            if (executable is not null)
            {
                return new CodeMemory(size, writable, executable);
            }

            if (writable is not null)
            {
                HostPages.Unmap(writable, size);
            }

            return null;
        }
        finally
        {
            _ = HostPages.close(file);
        }
    }

    /// <summary>Bytes.</summary>
    public nuint Size { get; }

    /// <summary>Bytes handed out.</summary>
    public nuint Used { get; private set; }

    /// <summary>The address at which code written somewhere runs.</summary>
    public byte* Executable(byte* written) => _executable + (written - _writable);

    /// <summary>The address at which code that runs somewhere is written.</summary>
    public byte* Writable(byte* executable) => _writable + (executable - _executable);

    /// <summary>Takes memory: where it is written, or null when no piece is that large.</summary>
    public byte* Allocate(int length)
    {
        nuint wanted = Whole(length);
        for (int i = 0; i < _free.Count; i++)
        {
            (nuint start, nuint size) = _free[i];
            if (size >= wanted)
            {
                if (size == wanted)
                {
                    _free.RemoveAt(i);
                }
                else
                {
                    _free[i] = (start + wanted, size - wanted);
                }

                Used += wanted;
                return _writable + start;
            }
        }

        return null;
    }

    /// <summary>Gives memory back that <see cref="Allocate"/> gave, of the same length.</summary>
    public void Free(byte* written, int length)
    {
        (nuint start, nuint size) = ((nuint)(written - _writable), Whole(length));
        Used -= size;
        int next = _free.FindIndex(piece => piece.Start > start);
        next = next < 0 ? _free.Count : next;
        if (next < _free.Count && start + size == _free[next].Start)
        {
            size += _free[next].Size;
            _free.RemoveAt(next);
        }

        if (next > 0 && _free[next - 1].Start + _free[next - 1].Size == start)
        {
            _free[next - 1] = (_free[next - 1].Start, _free[next - 1].Size + size);
        }
        else
        {
            _free.Insert(next, (start, size));
        }
    }

    /// <summary>Gives the end of a piece back.</summary>
    public void Trim(byte* written, int length, int kept)
    {
        if (Whole(kept) < Whole(length))
        {
            Free(written + Whole(kept), (int)(Whole(length) - Whole(kept)));
        }
    }

    private static nuint Whole(int length) =>
        ((nuint)length + Alignment - 1) & ~(nuint)(Alignment - 1);

    public void Dispose()
    {
        HostPages.Unmap(_writable, Size);
        HostPages.Unmap(_executable, Size);
    }

    private static byte* Map(int file, nuint size, int protection, ref string? refusal)
    {
        void* address = HostPages.mmap(null, size, protection, MapShared, file, 0);
        if ((nint)address == HostPages.MapFailed)
        {
            refusal = Refusal($"mmap, {((protection & ProtExec) != 0 ? "executable" : "writable")}");
            return null;
        }

        return (byte*)address;
    }

    // Of the core library alone: to load another could make calls that fail, and theirs would be the last error.
    private static string Refusal(string call) => $"{call}: {Marshal.GetLastPInvokeErrorMessage()}";
}
