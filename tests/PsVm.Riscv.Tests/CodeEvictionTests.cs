using PsVm.Riscv.Decoding;
using PsVm.Riscv.Translation;
using PsVm.Riscv.Translation.Cache;
using static PsVm.Riscv.Tests.Asm;

namespace PsVm.Riscv.Tests;

/// <summary>Which code goes when there is no room, and when its memory is free.</summary>
public sealed class CodeEvictionTests
{
    private const ulong Code = TestMachine.RamBase;
    private const int FloodPages = 1500;
    private long _clock;

    [Fact]
    public void CodeOfNobodyGoesFirstThenThatOfWhoHasTheMost()
    {
        CodeScope gone = new("gone"), web = new("web") { Accounts = 2 };
        CodeAccount small = new(web), large = new(web);
        CodePage orphan = Page(new CodeAccount(gone)), cold = Page(small), shared = Page(small);
        orphan.ChargeScope();
        shared.ChargeScope();
        CodePage[] flood = Pages(large, 10);

        List<CodePage> chosen = CodeEviction.Choose([cold, shared, .. flood, orphan], code: false, wanted: 6000);

        Assert.Equal([orphan, .. flood[..5]], chosen);
    }

    [Fact]
    public void WhoHasLessThanOthersKeepsItHoweverColdItIs()
    {
        CodeAccount[] honest = [.. Enumerable.Range(0, 9).Select(_ => new CodeAccount(new CodeScope(null) { Accounts = 1 }))];
        CodeAccount hostile = new(new CodeScope(null) { Accounts = 1 });
        CodePage[] cold = [.. honest.SelectMany(account => Pages(account, 8))], flood = Pages(hostile, 28);

        List<CodePage> chosen = CodeEviction.Choose([.. cold, .. flood], code: false, wanted: 20_000);

        Assert.Equal(flood[..20], chosen);
    }

    [Fact]
    public void WhenAllNeedMoreThanThereIsEachGivesAsMuch()
    {
        CodeAccount[] guests = [.. Enumerable.Range(0, 4).Select(_ => new CodeAccount(new CodeScope(null) { Accounts = 1 }))];
        CodePage[] pages = [.. guests.SelectMany(account => Pages(account, 6))];

        List<CodePage> chosen = CodeEviction.Choose(pages, code: false, wanted: 8000);

        Assert.All(guests, guest => Assert.Equal(2, chosen.Count(page => page.Payer == guest)));
        Assert.Equal(
            [.. guests.SelectMany(guest => guest.Pages.OrderBy(page => page.LastUse).Take(2))], chosen.OrderBy(page => page.LastUse));
    }

    [Fact]
    public void WhatManyShareCountsForEachOfThemInPart()
    {
        CodeScope web = new("web") { Accounts = 10 };
        CodePage[] shared = Pages(new CodeAccount(web), 20);
        Array.ForEach(shared, page => page.ChargeScope());
        CodePage[] flood = Pages(new CodeAccount(new CodeScope(null) { Accounts = 1 }), 10);

        Assert.Equal(flood[..8], CodeEviction.Choose([.. shared, .. flood], code: false, wanted: 8000));
    }

    [Fact]
    public void OneThatNeverSleepsTakesNothingFromManyThatSleep()
    {
        const int Bound = 1 << 20, Guests = 10, PagesEach = 16;
        using CodeCache code = new(TranslatorOptions.Off with { DecodedBytes = Bound });
        CodeCache[] parts = [.. Enumerable.Range(0, Guests).Select(_ => code.OpenPart(null))];
        TestMachine[] sleepers = [.. parts.Select((part, i) => Round(part, PagesEach, seed: 100 + i))];
        Array.ForEach(sleepers, sleeper => sleeper.Hart.Run(4 * PagesEach));
        using CodeCache hostilePart = code.OpenPart(null);
        using TestMachine hostile = Round(hostilePart, FloodPages, seed: 0);

        hostile.Hart.Run(8 * FloodPages);

        Assert.True(code.Usage.EvictedPages > FloodPages, $"the flood evicted {code.Usage.EvictedPages} pages");
        Assert.All(parts, part => Assert.Equal(PagesEach, part.Account.Pages.Count));
        Array.ForEach(sleepers, sleeper => sleeper.Dispose());
        Array.ForEach(parts, part => part.Dispose());
    }

    /// <summary>
    /// In a call of the host the hart holds the page that it comes back to, and nothing else: here another guest drives out everything
    /// meanwhile, that page included, and again.
    /// </summary>
    [SkippableTheory]
    [InlineData(false)]
    [InlineData(true)]
    public void EvictionEndsWhileAHartIsInACallOfTheHost(bool translated)
    {
        Skip.If(translated && !HostBackEnd.IsSupported, "this host runs no translated code");
        TranslatorOptions options = translated
            ? new() { Threshold = 1, CodeBytes = TranslatorOptions.LeastCodeBytes }
            : TranslatorOptions.Off;
        using CodeCache code = new(options with { DecodedBytes = 1 << 20 });
        using CodeCache part = code.OpenPart(null), floodPart = code.OpenPart(null);
        using TestMachine flood = Round(floodPart, FloodPages, seed: 0);
        CodePage? own = null;
        Caller caller = new();
        using TestMachine guest = new(environment: caller, code: part);
        guest.Program(Code, Addi(A1, A1, 1), Ecall, Addi(A2, A2, 1), Jal(Zero, -12)).Hart.Mode = PrivilegeMode.Supervisor;
        guest.Hart.Run(20);
        Assert.NotEqual(0, caller.Calls);
        caller.OnCall = () =>
        {
            caller.OnCall = null;
            own = Assert.Single(part.Account.Pages);
            part.Account.Use = new CodeUse(1L << 40, 1L << 40); // so its page goes first
            flood.Hart.Run(4 * FloodPages);
            part.Account.Use = own.Use;
            Assert.True(own.IsLeaving);
            Assert.True(code.Usage.EvictedPages > FloodPages / 2, $"{code.Usage.EvictedPages} pages went during the call");
            Assert.Same(own, Assert.Single(part.Account.Pages)); // not freed
        };

        guest.Hart.Run(40);

        Assert.NotNull(own);
        Assert.DoesNotContain(own, part.Account.Pages.Where(page => !page.IsLeaving));
        Assert.Equal(guest.Hart[A1], (ulong)caller.Calls);
        Assert.InRange(guest.Hart[A1] - guest.Hart[A2], 0ul, 1ul);
        flood.Hart.Run(4 * FloodPages);
        guest.Hart.Run(4);
        flood.Hart.Run(4 * FloodPages);
        Assert.DoesNotContain(own, part.Account.Pages); // freed, since the hart has seen that it left
        Assert.InRange(code.Usage.DecodedBytes, 1, 1 << 20);
    }

    /// <summary>
    /// A hart in a device's register, or one that waits for a page of its RAM, may come back to any page of its own guest, and to no other:
    /// here another guest drives everything out meanwhile, several times over.
    /// </summary>
    [SkippableTheory]
    [InlineData(false)]
    [InlineData(true)]
    public void OthersFindRoomWhileAHartIsInADevice(bool translated)
    {
        const ulong Register = 0x1000_0000;
        Skip.If(translated && !HostBackEnd.IsSupported, "this host runs no translated code");
        TranslatorOptions options = translated
            ? new() { Threshold = 1, CodeBytes = TranslatorOptions.LeastCodeBytes }
            : TranslatorOptions.Off;
        using CodeCache code = new(options with { DecodedBytes = 1 << 20, EvictionPatience = TimeSpan.Zero });
        using CodeCache part = code.OpenPart(null), floodPart = code.OpenPart(null);
        using TestMachine flood = Round(floodPart, FloodPages, seed: 0);
        using TestMachine guest = new(code: part) { Devices = (Register, 8) };
        guest.Program(Code, Addi(A1, A1, 1), Ld(A3, A4, 0), Addi(A2, A2, 1), Jal(Zero, -12));
        guest.Hart[A4] = Register;
        CodePage? own = null;
        ulong reads = 0;
        guest.OnDeviceRead = () =>
        {
            if (++reads == 10)
            {
                own = Assert.Single(part.Account.Pages);
                part.Account.Use = new CodeUse(1L << 40, 1L << 40); // so its page goes first
                flood.Hart.Run(4 * FloodPages);
                part.Account.Use = own.Use;
                Assert.True(own.IsLeaving);
                Assert.Same(own, Assert.Single(part.Account.Pages)); // not freed
                Assert.True(code.Usage.EvictedPages > FloodPages / 2, $"{code.Usage.EvictedPages} pages went meanwhile");
                Assert.NotEmpty(floodPart.Account.Pages);
            }

            return reads;
        };

        guest.Hart.Run(80);

        Assert.True(reads > 10);
        Assert.Equal((reads, reads), (guest.Hart[A1], guest.Hart[A3]));
        Assert.InRange(guest.Hart[A1] - guest.Hart[A2], 0ul, 1ul);
        flood.Hart.Run(4 * FloodPages);
        Assert.DoesNotContain(own!, part.Account.Pages); // freed, since the hart has seen that it left
        Assert.InRange(code.Usage.DecodedBytes, 1, 1 << 20);
    }

    /// <summary>Who finds no room asks at each instruction: a look at all pages each time would take a list of them.</summary>
    [Fact]
    public void WhereNothingCanGoNobodyLooksAtAllPagesAgainAndAgain()
    {
        const ulong Register = 0x1000_0000, Reader = Code + (FloodPages << 12);
        const int Instructions = 1000;
        using CodeCache code = new(TranslatorOptions.Off with { DecodedBytes = 1 << 20, EvictionPatience = TimeSpan.Zero });
        using CodeCache part = code.OpenPart(null), otherPart = code.OpenPart(null);
        using TestMachine other = Round(otherPart, FloodPages, seed: 0);
        using TestMachine guest = Round(part, FloodPages, seed: 2);
        guest.Devices = (Register, 8);
        guest.Program(Reader, Ld(A5, A4, 0), Jal(Zero, -4));
        (guest.Hart.Pc, guest.Hart[A4], guest.OnDeviceRead) = (Reader, Register, () => 0);
        guest.Hart.Run(2);
        guest.Hart.Pc = Code;
        while (code.Usage.DecodedBytes < (1 << 20) - 4096)
        {
            guest.Hart.Run(4); // a page
        }

        long allocated = 0;
        guest.OnDeviceRead = () =>
        {
            guest.OnDeviceRead = () => 0;
            other.Hart.Run(Instructions);
            long before = GC.GetAllocatedBytesForCurrentThread();
            other.Hart.Run(Instructions);
            allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            Assert.Empty(otherPart.Account.Pages);
            return 0;
        };

        guest.Hart.Pc = Reader;
        guest.Hart.Run(2);

        Assert.Equal(0, code.Usage.EvictedPages);
        Assert.InRange(allocated, 1, 600 * Instructions);
        other.Hart.Run(Instructions);
        Assert.NotEmpty(otherPart.Account.Pages);
    }

    [Fact]
    public unsafe void WhereNoTranslationCanGoDecodedBlocksStillCan()
    {
        const int Size = 4096;
        CodePages pages = new(memory: null);
        CodeRoom room = new(pages, new TranslationQueue(), decodedBytes: 2 * Size, codeBytes: Size, TimeSpan.Zero);
        CodeAccount account = pages.OpenAccount(null);
        fixed (byte* content = new byte[Size])
        {
            pages.Add(account, 0, 0, content, default);
            pages.Add(account, 1, 1, content, default);
        }

        room.Make(forCode: true, Size);

        Assert.True(room.HasFor(Size));
        Array.ForEach([.. pages.All], pages.Free);
    }

    /// <summary>Who has the most gives: pages of others do not go at once because those on their way need a moment.</summary>
    [Fact]
    public void OthersKeepTheirsUntilPatienceIsAtAnEnd()
    {
        const ulong Register = 0x1000_0000;
        using CodeCache code = new(TranslatorOptions.Off with { DecodedBytes = 1 << 20, EvictionPatience = TimeSpan.FromDays(1) });
        using CodeCache part = code.OpenPart(null), floodPart = code.OpenPart(null);
        using TestMachine flood = Round(floodPart, FloodPages, seed: 0);
        using TestMachine guest = new(code: part) { Devices = (Register, 8) };
        guest.Program(Code, Ld(A3, A4, 0), Jal(Zero, -4));
        guest.Hart[A4] = Register;
        guest.OnDeviceRead = () =>
        {
            guest.OnDeviceRead = () => 0;
            part.Account.Use = new CodeUse(1L << 40, 0);
            flood.Hart.Run(4 * FloodPages);
            part.Account.Use = part.Account.Pages.Single().Use;
            Assert.InRange(code.Usage.EvictedPages, 0, 40); // an eighth of all was to go at once
            return 0;
        };

        guest.Hart.Run(8);

        flood.Hart.Run(4 * FloodPages);
        Assert.True(code.Usage.EvictedPages > FloodPages / 2, $"{code.Usage.EvictedPages} pages went");
    }

    /// <summary>A call from an instruction that lies on two pages comes back to the one that it begins in.</summary>
    [Fact]
    public void ACallFromAnInstructionOnTwoPagesHoldsTheFirstAlone()
    {
        using CodeCache code = new(TranslatorOptions.Off with { DecodedBytes = 1 << 20 });
        using CodeCache part = code.OpenPart(null), floodPart = code.OpenPart(null);
        using TestMachine flood = Round(floodPart, FloodPages, seed: 0);
        Caller caller = new();
        using TestMachine guest = new(environment: caller, code: part);
        guest.Program(Code + 4094, Ecall, Jal(Zero, -4)).Hart.Mode = PrivilegeMode.Supervisor;
        guest.Hart.Pc = Code + 4094;
        guest.Hart.Run(10);
        CodePage[] own = [.. part.Account.Pages.OrderBy(page => page.Number)];
        Assert.Equal(2, own.Length);
        caller.OnCall = () =>
        {
            caller.OnCall = null;
            part.Account.Use = new CodeUse(1L << 40, 0); // so its pages go first
            flood.Hart.Run(4 * FloodPages);
            Assert.Equal((true, true), (own[0].IsLeaving, own[1].IsLeaving));
            Assert.Equal([own[0]], part.Account.Pages);
        };

        guest.Hart.Run(2);

        Assert.Null(caller.OnCall);
    }

    /// <summary>A look at all pages of the family would take a list of them.</summary>
    [Fact]
    public void ACloneThatGoesLooksAtItsOwnPagesAlone()
    {
        using CodeCache code = new(TranslatorOptions.Off);
        using CodeCache first = code.OpenPart("web");
        using TestMachine clone = Round(first, FloodPages, seed: 0);
        clone.Hart.Run(4 * FloodPages);
        CodeCache[] others = [.. Enumerable.Range(0, 100).Select(_ => code.OpenPart("web"))];
        others[0].Dispose(); // what is compiled or made once is not counted

        long before = GC.GetAllocatedBytesForCurrentThread();
        Array.ForEach(others[1..], part => part.Dispose());

        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 99 * sizeof(long) * FloodPages / 10);
    }

    [Fact]
    public void WhatAGuestPaidForItsFamilyPaysForWhenItGoes()
    {
        using CodeCache code = new(TranslatorOptions.Off);
        using CodeCache first = code.OpenPart("web"), second = code.OpenPart("web");
        using (TestMachine one = Round(first, 8, seed: 0))
        {
            one.Hart.Run(100);
        }

        Assert.Equal((8, 0), (first.Account.Pages.Count, first.Account.Scope.Pages.Count));
        using (TestMachine other = Round(second, 4, seed: 0))
        {
            other.Hart.Run(100);
        }

        Assert.Equal((5, 1, 3), (first.Account.Pages.Count, second.Account.Pages.Count, first.Account.Scope.Pages.Count));
        CodeScope scope = first.Account.Scope;
        CodeUse use = first.Account.Use + second.Account.Use + scope.Use;
        first.Dispose();
        Assert.Equal((0, 1, 8), (first.Account.Pages.Count, second.Account.Pages.Count, scope.Pages.Count));
        second.Dispose();
        Assert.Equal((9, use), (scope.Pages.Count, scope.Use));
    }

    /// <summary>A guest that goes round pages of which no two are equal, nor any to one of another seed.</summary>
    internal static TestMachine Round(CodeCache code, int pages, int seed)
    {
        TestMachine machine = new(16 << 20, code: code);
        for (int page = 0; page < pages; page++)
        {
            machine.Program(
                Code + ((ulong)page << 12),
                Addi(A2, Zero, page & 1023),
                Addi(A3, Zero, (page >> 10) + seed),
                Addi(A1, A1, 1),
                page == pages - 1 ? Jalr(Zero, Sp, 0) : Jal(Zero, 4096 - 12));
        }

        machine.Hart[Sp] = Code;
        return machine;
    }

    private CodePage[] Pages(CodeAccount account, int count) => [.. Enumerable.Range(0, count).Select(_ => Page(account))];

    private unsafe CodePage Page(CodeAccount account)
    {
        CodePage page = new(account, 0, 0, null, 0, 0, default) { LastUse = ++_clock };
        page.Charge(new CodeUse(1000, 0));
        return page;
    }

    private sealed class Caller : IExecutionEnvironment
    {
        public int Calls { get; private set; }

        public Action? OnCall { get; set; }

        public bool TryHandleCall(Hart hart)
        {
            Calls++;
            OnCall?.Invoke();
            return true;
        }
    }
}
