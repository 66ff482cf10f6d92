using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Mono.Unix.Native;

namespace PsVm.Memory.Native;

/// <summary>
/// A handler of SIGBUS in machine code, for a managed one may not run where a signal comes. It finds the address in a
/// <see cref="Mapping.RamFaultTable"/>, notes the fault there, lays anonymous zeros over the page and returns, so that the access is made
/// again. What is not in the table it hands to the handler that was there before, as if the kernel had called that.
/// </summary>
/// <remarks>
/// <para>
/// Async-signal-safe: it touches the table and its own stack only, calls nothing, and makes its system calls itself, so that errno stays.
/// It takes over mask and flags of the runtime's action, which asks for no alternate stack; the kernel spares the red zone either way.
/// </para>
/// <para>
/// Many threads may be in it at once, for one page too: the page is then laid several times, and what one has stored meanwhile is lost,
/// which is of no account in RAM that has failed. The fault is noted before the zeros can be seen. A mapping with many faults, or one
/// where no page can be laid because the process has too many mappings, gets zeros over all of it, which costs no mapping.
/// </para>
/// <para>
/// Sources: sigaction(2), "The siginfo_t argument"; System V ABI, AMD64 supplement; the kernel's arch/x86/entry/syscalls/syscall_64.tbl.
/// </para>
/// </remarks>
internal static unsafe class BusErrorHandler
{
    private const int SigBus = 7;
    private const int SigInfo = 4; // SA_SIGINFO
    private const int TableOperand = 0x06, SecondTableOperand = 0xb3, DefaultEntry = 0xe0;

    // On entry: rdi = signal, rsi = siginfo (si_code at 8, si_addr at 16), rdx = context.
    // The table: 0 slots in use, 8 faults, 16 previous handler, 24 zeros; slots of 64 bytes from 64 on:
    // 0 start, 8 size, 16 page mask, 24 protection, 32 faults, 40 first fault (offset * 8 + si_code).
    private static ReadOnlySpan<byte> Code =>
    [
        0xf3, 0x0f, 0x1e, 0xfa,                         // 00        endbr64
        0x49, 0xb9, 0, 0, 0, 0, 0, 0, 0, 0,             // 04        mov   r9, table
        0x8b, 0x46, 0x08,                               // 0e        mov   eax, [rsi+8]
        0x8d, 0x48, 0xfe,                               // 11        lea   ecx, [rax-2]
        0x83, 0xf9, 0x03,                               // 14        cmp   ecx, 3              ; BUS_ADRERR to BUS_MCEERR_AO: si_addr holds
        0x0f, 0x87, 0x9e, 0x00, 0x00, 0x00,             // 17        ja    chain
        0x4c, 0x8b, 0x46, 0x10,                         // 1d        mov   r8, [rsi+16]
        0x4d, 0x8b, 0x11,                               // 21        mov   r10, [r9]
        0x4d, 0x8d, 0x59, 0x40,                         // 24        lea   r11, [r9+64]
        0x4d, 0x85, 0xd2,                               // 28 next:  test  r10, r10
        0x0f, 0x84, 0x8a, 0x00, 0x00, 0x00,             // 2b        jz    chain
        0x49, 0x8b, 0x0b,                               // 31        mov   rcx, [r11]
        0x48, 0x85, 0xc9,                               // 34        test  rcx, rcx            ; a free slot
        0x74, 0x11,                                     // 37        jz    skip
        0x4c, 0x89, 0xc0,                               // 39        mov   rax, r8
        0x48, 0x29, 0xc8,                               // 3c        sub   rax, rcx
        0x49, 0x3b, 0x43, 0x08,                         // 3f        cmp   rax, [r11+8]
        0x73, 0x05,                                     // 43        jae   skip
        0x49, 0x3b, 0x0b,                               // 45        cmp   rcx, [r11]          ; still the same mapping's
        0x74, 0x09,                                     // 48        je    found
        0x49, 0x83, 0xc3, 0x40,                         // 4a skip:  add   r11, 64
        0x49, 0xff, 0xca,                               // 4e        dec   r10
        0xeb, 0xd5,                                     // 51        jmp   next
        0x53,                                           // 53 found: push  rbx
        0x57,                                           // 54        push  rdi
        0x56,                                           // 55        push  rsi
        0x52,                                           // 56        push  rdx
        0x4c, 0x89, 0xdb,                               // 57        mov   rbx, r11
        0x8b, 0x4e, 0x08,                               // 5a        mov   ecx, [rsi+8]
        0x48, 0x8d, 0x14, 0xc1,                         // 5d        lea   rdx, [rcx+rax*8]
        0x31, 0xc0,                                     // 61        xor   eax, eax
        0xf0, 0x48, 0x0f, 0xb1, 0x53, 0x28,             // 63        lock cmpxchg [rbx+40], rdx
        0xb8, 0x01, 0x00, 0x00, 0x00,                   // 69        mov   eax, 1
        0xf0, 0x48, 0x0f, 0xc1, 0x43, 0x20,             // 6e        lock xadd [rbx+32], rax
        0xf0, 0x49, 0xff, 0x41, 0x08,                   // 74        lock inc qword [r9+8]
        0x48, 0x8b, 0x73, 0x10,                         // 79        mov   rsi, [rbx+16]
        0x4c, 0x89, 0xc7,                               // 7d        mov   rdi, r8
        0x48, 0x21, 0xf7,                               // 80        and   rdi, rsi            ; the page
        0x48, 0xf7, 0xde,                               // 83        neg   rsi                 ; its size
        0x48, 0x83, 0xf8, 0x10,                         // 86        cmp   rax, 16
        0x73, 0x0d,                                     // 8a        jae   whole
        0xe8, 0x33, 0x00, 0x00, 0x00,                   // 8c        call  lay
        0x48, 0x3d, 0x01, 0xf0, 0xff, 0xff,             // 91        cmp   rax, -4095
        0x72, 0x26,                                     // 97        jb    done
        0x48, 0x8b, 0x3b,                               // 99 whole: mov   rdi, [rbx]
        0x48, 0x8b, 0x73, 0x08,                         // 9c        mov   rsi, [rbx+8]
        0xe8, 0x1f, 0x00, 0x00, 0x00,                   // a0        call  lay
        0x48, 0x3d, 0x01, 0xf0, 0xff, 0xff,             // a5        cmp   rax, -4095
        0x72, 0x12,                                     // ab        jb    done
        0x5a,                                           // ad        pop   rdx
        0x5e,                                           // ae        pop   rsi
        0x5f,                                           // af        pop   rdi
        0x5b,                                           // b0        pop   rbx
        0x49, 0xb9, 0, 0, 0, 0, 0, 0, 0, 0,             // b1        mov   r9, table
        0x41, 0xff, 0x61, 0x10,                         // bb chain: jmp   [r9+16]
        0x5a,                                           // bf done:  pop   rdx
        0x5e,                                           // c0        pop   rsi
        0x5f,                                           // c1        pop   rdi
        0x5b,                                           // c2        pop   rbx
        0xc3,                                           // c3        ret
        0x48, 0x8b, 0x53, 0x18,                         // c4 lay:   mov   rdx, [rbx+24]
        0x41, 0xba, 0x32, 0x40, 0x00, 0x00,             // c8        mov   r10d, MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS | MAP_NORESERVE
        0x49, 0xc7, 0xc0, 0xff, 0xff, 0xff, 0xff,       // ce        mov   r8, -1
        0x45, 0x31, 0xc9,                               // d5        xor   r9d, r9d
        0xb8, 0x09, 0x00, 0x00, 0x00,                   // d8        mov   eax, 9              ; mmap
        0x0f, 0x05,                                     // dd        syscall
        0xc3,                                           // df        ret
        0x49, 0x8d, 0x71, 0x18,                         // e0 deflt: lea   rsi, [r9+24]        ; stands in for SIG_DFL: 32 zeros
        0x31, 0xd2,                                     // e4        xor   edx, edx
        0xbf, 0x07, 0x00, 0x00, 0x00,                   // e6        mov   edi, SIGBUS
        0x41, 0xba, 0x08, 0x00, 0x00, 0x00,             // eb        mov   r10d, 8
        0xb8, 0x0d, 0x00, 0x00, 0x00,                   // f1        mov   eax, 13             ; rt_sigaction
        0x0f, 0x05,                                     // f6        syscall                   ; made again, the access ends the process
        0xc3,                                           // f8        ret
    ];

    /// <summary>Installs the handler for good: there is no moment at which it could be taken away safely.</summary>
    /// <param name="table">The table it looks in; never freed.</param>
    /// <param name="previous">Where the table keeps the handler that was there before.</param>
    /// <returns>Why not; null when it is installed.</returns>
    /// <remarks>
    /// Safety: the page is written while it is not executable, and executable from then on; it is never freed. The previous handler is in
    /// the table before the kernel can call this one.
    /// </remarks>
    public static string? Install(nint table, nint* previous)
    {
        if (!OperatingSystem.IsLinux() || RuntimeInformation.ProcessArchitecture != Architecture.X64)
        {
            return $"there is a handler for Linux on x86-64 only, and this is {RuntimeInformation.RuntimeIdentifier}";
        }

        ulong length = (ulong)Environment.SystemPageSize;
        nint page = Syscall.mmap(
            0, length, MmapProts.PROT_READ | MmapProts.PROT_WRITE, MmapFlags.MAP_PRIVATE | MmapFlags.MAP_ANONYMOUS, -1, 0);
        if (page == Syscall.MAP_FAILED)
        {
            return $"mmap: {Errors.Describe(Errors.Last)}";
        }

        Span<byte> code = new((byte*)page, Code.Length);
        Code.CopyTo(code);
        BinaryPrimitives.WriteInt64LittleEndian(code[TableOperand..], table);
        BinaryPrimitives.WriteInt64LittleEndian(code[SecondTableOperand..], table);
        Errno error = Errors.Of(Syscall.mprotect(page, length, MmapProts.PROT_READ | MmapProts.PROT_EXEC));
        if (error == 0)
        {
            LibC.SignalAction action = default;
            error = Errors.Of(LibC.SigAction(SigBus, null, &action));
            if (error == 0)
            {
                const nint ignore = 1; // SIG_IGN; a fault cannot be ignored, so it is what SIG_DFL is, 0
                *previous = action.Handler is 0 or ignore ? page + DefaultEntry : action.Handler;
                action.Handler = page;
                action.Flags |= SigInfo;
                error = Errors.Of(LibC.SigAction(SigBus, &action, null));
            }
        }

        if (error != 0)
        {
            _ = Syscall.munmap(page, length);
            return $"no handler of SIGBUS could be installed: {Errors.Describe(error)}";
        }

        return null;
    }
}
