using PsVm.Memory.Tests.Support;
using PsVm.Riscv.Decoding;
using PsVm.Riscv.Translation;
using static PsVm.Riscv.Tests.Asm;

namespace PsVm.Riscv.Tests;

/// <summary>Hosts that give no memory for translated code, at each step of asking for it.</summary>
public sealed class CodeRefusalTests
{
    private const ulong Code = TestMachine.RamBase;
    private const uint CodeBytes = (1 << 20) + 0x5000; // no other mapping of the process has that size

    public static TheoryData<string> Steps => [.. s_refusals.Keys];

    private static readonly Dictionary<string, (string Told, RefusedCall[] Calls)> s_refusals = new()
    {
        ["memfd_create"] = (
            "memfd_create: Operation not permitted",
            [new(RefusedCall.MemfdCreate, RefusedCall.NotPermitted)]),
        ["memfd_create by vm.memfd_noexec"] = (
            "memfd_create: Permission denied",
            [new(RefusedCall.MemfdCreate, RefusedCall.NoAccess, (1, 8, 0))]), // MFD_NOEXEC_SEAL
        ["ftruncate"] = (
            "ftruncate: No space left on device",
            [new(RefusedCall.Truncate, RefusedCall.NoSpace, (1, uint.MaxValue, CodeBytes))]),
        ["mmap to write"] = (
            "mmap, writable: Cannot allocate memory",
            [new(RefusedCall.Mmap, RefusedCall.NoMemory, (1, uint.MaxValue, CodeBytes), (2, 2, 2))]), // PROT_WRITE
        ["mmap to execute"] = (
            "mmap, executable: Permission denied",
            [new(RefusedCall.Mmap, RefusedCall.NoAccess, (1, uint.MaxValue, CodeBytes), (2, 4, 4))]), // PROT_EXEC
    };

    [SkippableTheory]
    [MemberData(nameof(Steps))]
    public void AHostThatRefusesAnyStepRunsTheInterpreterAndKeepsNothing(string step)
    {
        Skip.IfNot(HostBackEnd.IsSupported, "this host runs no translated code");
        (string told, RefusedCall[] calls) = s_refusals[step];
        (int, int) held = (-1, -1), after = default;
        string? unavailable = null;
        ulong counted = 0;
        SystemCallFilter.Run(
            () =>
            {
                (int, int) before = Held();
                using (CodeCache code = Make())
                {
                    held = Difference(Held(), before);
                    unavailable = code.Usage.Unavailable;
                    counted = Count(code);
                }

                after = Difference(Held(), before);
            },
            calls);

        Assert.Equal(told, unavailable);
        Assert.Equal(500ul, counted);
        Assert.Equal(((0, 0), (0, 0)), (held, after));
    }

    [SkippableFact]
    public void AHostWithoutMemoryForTheTranslatorRunsTheInterpreterAndKeepsNothing()
    {
        Skip.IfNot(HostBackEnd.IsSupported, "this host runs no translated code");
        const long BeyondTheAddressSpace = 1L << 50;
        (int, int) before = Held();

        using CodeCache code = Make(BeyondTheAddressSpace);

        Assert.Equal($"no memory for a buffer of {BeyondTheAddressSpace} bytes", code.Usage.Unavailable);
        Assert.Equal(500ul, Count(code));
        Assert.Equal((0, 0), Difference(Held(), before));
    }

    /// <summary>How often a block ran is counted in 31 bits, translator or not.</summary>
    [Fact]
    public unsafe void ABlockThatRunsVeryOftenStaysWithTheInterpreterWhereThereIsNoTranslator()
    {
        using CodeCache code = new(TranslatorOptions.Off);
        using TestMachine guest = new TestMachine(code: code).Program(Code, Addi(A0, A0, 1), Jal(Zero, -4));
        guest.Hart.Run(10);
        BlockHeader* block = BlockHeader.Of((Op*)code.Account.Pages.Single().Blocks[0]);
        block->Heat = int.MaxValue - 2;

        guest.Hart.Run(990);

        Assert.Equal(500ul, guest.Hart[A0]);
        Assert.True(block->Heat < 0);
        Assert.Equal((0, 0), (code.Usage.Failures, code.Usage.Waiting));
    }

    [Fact]
    public void ACacheIsDisposedOfOnce()
    {
        CodeCache code = Make();
        code.Dispose();
        code.Dispose();
        Assert.Throws<ObjectDisposedException>(() => code.OpenPart(null));
    }

    /// <summary>Linux before 6.3 knows no MFD_EXEC.</summary>
    [SkippableFact]
    public void AHostWithoutTheFlagOfAnExecutableFileTranslates()
    {
        Skip.IfNot(HostBackEnd.IsSupported, "this host runs no translated code");
        string? unavailable = "nothing was asked";
        long blocks = 0;
        (int, int) held = default;
        SystemCallFilter.Run(
            () =>
            {
                (int, int) before = Held();
                using CodeCache code = Make();
                Count(code);
                (unavailable, blocks, held) = (code.Usage.Unavailable, code.Usage.TranslatedBlocks, Difference(Held(), before));
            },
            new RefusedCall(RefusedCall.MemfdCreate, RefusedCall.Invalid, (1, 0x10, 0x10))); // MFD_EXEC

        Assert.Null(unavailable);
        Assert.NotEqual(0, blocks);
        Assert.Equal((0, 2), held); // so the count finds what there is
    }

    private static CodeCache Make(long bufferBytes = TranslatorOptions.DefaultBufferBytes) =>
        new(new TranslatorOptions { Threshold = 1, CodeBytes = CodeBytes, BufferBytes = bufferBytes });

    private static ulong Count(CodeCache code)
    {
        using TestMachine guest = new TestMachine(code: code).Program(Code, Addi(A0, A0, 1), Jal(Zero, -4));
        guest.Hart.Run(1000);
        return guest.Hart[A0];
    }

    /// <summary>
    /// Files and mappings of memory for code: mappings of this size, others are other tests'; and files that stay open, since other tests
    /// have theirs for a moment, however long that is on a busy host, and others then.
    /// </summary>
    private static (int Files, int Maps) Held()
    {
        HashSet<string> files = [.. CodeFiles()];
        SpinWait.SpinUntil(
            () =>
            {
                files.IntersectWith(CodeFiles());
                return files.Count == 0;
            },
            TimeSpan.FromMinutes(1));
        return (
            files.Count,
            File.ReadLines("/proc/self/maps").Count(
                line => line.Contains("psvm-code", StringComparison.Ordinal) && SizeOf(line) == CodeBytes));
    }

    private static IEnumerable<string> CodeFiles() => Directory.GetFiles("/proc/self/fd").Where(IsCode);

    private static bool IsCode(string file) => new FileInfo(file).LinkTarget?.Contains("psvm-code", StringComparison.Ordinal) == true;

    private static long SizeOf(string mapping)
    {
        long[] ends = [.. mapping[..mapping.IndexOf(' ', StringComparison.Ordinal)].Split('-').Select(end => Convert.ToInt64(end, 16))];
        return ends[1] - ends[0];
    }

    private static (int, int) Difference((int Files, int Maps) now, (int Files, int Maps) before) =>
        (now.Files - before.Files, now.Maps - before.Maps);
}
