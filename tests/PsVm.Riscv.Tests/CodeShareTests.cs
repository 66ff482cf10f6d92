using PsVm.Riscv.Translation.Cache;
using PsVm.Riscv.Translation;
using static PsVm.Riscv.Tests.Asm;

namespace PsVm.Riscv.Tests;

/// <summary>One cache of code for many guests: who shares, who pays, and what happens when there is no room or no translator.</summary>
public class CodeShareTests
{
    private const ulong Code = TestMachine.RamBase;
    private const int FloodPages = 1500;
    private static readonly TranslatorOptions s_atFirstSight = new() { Threshold = 1 };

    [SkippableTheory]
    [InlineData("web", "web", true)]
    [InlineData("web", "db", false)]
    [InlineData(null, null, false)]
    public void CodeIsSharedWithinAFamilyOnly(string? first, string? second, bool isShared)
    {
        Skip.IfNot(HostBackEnd.IsSupported, "this host runs no translated code");
        using CodeCache code = new(s_atFirstSight);
        using CodeCache one = code.OpenPart(first), other = code.OpenPart(second);
        using TestMachine a = Counting(one), b = Counting(other);
        a.Hart.Run(1000);
        long blocks = code.Usage.TranslatedBlocks;

        b.Hart.Run(1000);

        Assert.Equal(isShared ? blocks : 2 * blocks, code.Usage.TranslatedBlocks);
        Assert.Equal(isShared ? 1 : 0, code.Usage.SharedPages);
        Assert.Equal(a.Hart[A0], b.Hart[A0]);
    }

    [Fact]
    public void WhatAGuestAloneNeededGoesWithIt()
    {
        using CodeCache code = new(s_atFirstSight);
        using (CodeCache part = code.OpenPart(null))
        {
            using TestMachine guest = Counting(part);
            guest.Hart.Run(1000);
            Assert.NotEqual(0, code.Usage.DecodedBytes);
        }

        Assert.Equal((0, 0, 0), (code.Usage.DecodedBytes, code.Usage.CodeBytes - Empty(), code.Usage.TranslatedBlocks));
    }

    [SkippableFact]
    public void WhatAFamilyHasTranslatedIsThereForTheNextOfIt()
    {
        Skip.IfNot(HostBackEnd.IsSupported, "this host runs no translated code");
        using CodeCache code = new(s_atFirstSight);
        for (int i = 0; i < 2; i++)
        {
            using CodeCache part = code.OpenPart("web");
            using TestMachine guest = Counting(part);
            guest.Hart.Run(1000);
        }

        Assert.Equal((1, 1), (code.Usage.TranslatedBlocks, code.Usage.SharedPages));
    }

    [SkippableTheory]
    [InlineData("web", false, true)]
    [InlineData("web", true, true)]
    [InlineData("db", false, false)]
    public void WhatAGuestLeavesToAFamilyItsGuestsRunAndNoOthers(string family, bool isGone, bool isShared)
    {
        Skip.IfNot(HostBackEnd.IsSupported, "this host runs no translated code");
        using CodeCache code = new(s_atFirstSight);
        using CodeCache source = code.OpenPart(null);
        using (TestMachine guest = Counting(source))
        {
            guest.Hart.Run(1000);
            Assert.True(source.TryLeaveTo("web"));
            guest.Hart.Run(1000);
        }

        if (isGone)
        {
            source.Dispose();
        }

        using CodeCache part = code.OpenPart(family);
        using TestMachine clone = Counting(part);
        clone.Hart.Run(1000);

        Assert.Equal(isShared ? (1, 1) : (2, 0), (code.Usage.TranslatedBlocks, code.Usage.SharedPages));
        Assert.Equal(500ul, clone.Hart[A0]);
    }

    /// <summary>The clone's guest has the first pages, and a last one of its own.</summary>
    [Theory]
    [InlineData(false, HonestPages, 24 - HonestPages + 1)]
    [InlineData(true, 24 + 1, 0)]
    public void WhatWasLeftAndNobodyNeedsGoes(bool goesOn, int left, int gone)
    {
        using CodeCache code = new(new TranslatorOptions { InheritedLookups = 200 });
        using CodeCache source = code.OpenPart(null), part = code.OpenPart("other");
        using TestMachine guest = Flood(source, pages: 24), stranger = Flood(part, pages: 24);
        guest.Hart.Run(1000);
        stranger.Hart.Run(1000);
        Assert.True(source.TryLeaveTo("web"));
        for (int lookups = 0; lookups < 800; lookups += HonestPages)
        {
            Assert.True(lookups > 100 || code.Usage.EvictedPages == 0);
            guest.Hart.Run(goesOn ? 1000ul : 0);
            using CodeCache heir = code.OpenPart("web");
            using TestMachine clone = Flood(heir, HonestPages);
            clone.Hart.Run(1000);
        }

        Assert.Equal((left, gone), (source.Account.Scope.ByContent.Count, code.Usage.EvictedPages));
        Assert.Equal(24, part.Account.Scope.ByContent.Count);

        guest.Hart.Run(1000); // finds again what went
        Assert.Equal(24 + 1, source.Account.Scope.ByContent.Count);
    }

    [Fact]
    public void OnlyTheLatestFamilyHasWhatAGuestLeft()
    {
        using CodeCache code = new(TranslatorOptions.Off);
        using CodeCache source = code.OpenPart(null);
        using TestMachine guest = Counting(source);
        guest.Hart.Run(10);
        Assert.True(source.TryLeaveTo("first"));
        Assert.True(source.TryLeaveTo("second"));

        using CodeCache first = code.OpenPart("first"), second = code.OpenPart("second");

        Assert.NotSame(source.Account.Scope, first.Account.Scope);
        Assert.Same(source.Account.Scope, second.Account.Scope);
    }

    [Fact]
    public void WhatOthersShareAlreadyStaysTheirs()
    {
        using CodeCache code = new(TranslatorOptions.Off);
        using CodeCache source = code.OpenPart(null), web = code.OpenPart("web");
        Assert.False(web.TryLeaveTo("db"));
        Assert.False(source.TryLeaveTo("web"));
        Assert.True(source.TryLeaveTo("db"));
        using (CodeCache clone = code.OpenPart("db"))
        {
            Assert.False(source.TryLeaveTo("later")); // its clone does not come to share with those of another template
            Assert.False(clone.TryLeaveTo("later"));
        }

        Assert.True(source.TryLeaveTo("later"));
        source.Dispose();
        Assert.False(source.TryLeaveTo("latest"));
        Assert.False(code.TryLeaveTo("all")); // the whole cache is no guest's
    }

    [Theory]
    [InlineData(null)]
    [InlineData("web")]
    public void AGuestThatFillsTheCachePaysWithItsOwnPages(string? family)
    {
        using CodeCache code = new(s_atFirstSight with { DecodedBytes = 2 << 20, CodeBytes = TranslatorOptions.LeastCodeBytes });
        using CodeCache honestPart = code.OpenPart(family), hostilePart = code.OpenPart(family);
        using TestMachine honest = Honest(honestPart), hostile = Flood(hostilePart, FloodPages);
        honest.Hart.Run(4000);
        for (int round = 0; round < 40; round++)
        {
            hostile.Hart.Run(4 * FloodPages);
            honest.Hart.Run(400);
            Assert.InRange(code.Usage.DecodedBytes, 1, 2 << 20);
        }

        Assert.True(code.Usage.EvictedPages > 20 * 100, $"the flood evicted {code.Usage.EvictedPages} pages");
        Assert.Equal(HonestPages, Pages(honestPart).Count());
    }

    [Fact]
    public void TheBoundHoldsWhileAHartThatRunsKeepsWhatWasSentAway()
    {
        using CodeCache code = new(TranslatorOptions.Off with { DecodedBytes = 1 << 20 });
        using TestMachine sleeper = Counting(code), flood = Flood(code, FloodPages);
        sleeper.Hart.Run(100);
        sleeper.Hart.Blocks.Begin(); // as one whose thread has no CPU for long
        long most = 0;
        for (int i = 0; i < 3 * FloodPages; i++)
        {
            flood.Hart.Run(4);
            most = Math.Max(most, code.Usage.DecodedBytes);
        }

        Assert.InRange(most, 1 << 19, 1 << 20);
        Assert.True(flood.Hart[A1] >= 2 * FloodPages, $"it went on, and came by {flood.Hart[A1]} pages");

        sleeper.Hart.Blocks.End();
        long before = code.Usage.EvictedPages;
        flood.Hart.Run(4 * FloodPages);
        Assert.True(code.Usage.EvictedPages > before);
        Assert.InRange(code.Usage.DecodedBytes, 1, 1 << 20);
    }

    [SkippableTheory]
    [InlineData(1)]
    [InlineData(3)]
    public void WhatCannotBeTranslatedStaysWithTheInterpreter(int threshold)
    {
        Skip.IfNot(HostBackEnd.IsSupported, "this host runs no translated code");
        using CodeCache code = new(
            new TranslatorOptions { Threshold = threshold, Observer = _ => throw new InvalidOperationException("broken") });
        using TestMachine guest = Counting(code);
        Assert.True(SpinWait.SpinUntil(
            () =>
            {
                guest.Hart.Run(1000);
                return code.Usage.Failures > 0;
            },
            TimeSpan.FromMinutes(1)));
        ulong retired = guest.Hart.InstructionsRetired;

        guest.Hart.Run(1000);

        Assert.Equal("InvalidOperationException: broken", code.Usage.LastFailure);
        Assert.Equal(guest.Hart.InstructionsRetired / 2, guest.Hart[A0]);
        Assert.True(guest.Hart.InstructionsRetired >= retired + 1000);
    }

    [SkippableFact]
    public void AThreadThatCannotBeStartedIsTriedAgainForTheNextBlock()
    {
        Skip.IfNot(HostBackEnd.IsSupported, "this host runs no translated code");
        int starts = 0;
        using CodeCache code = new(new TranslatorOptions
        {
            Threshold = 3,
            StartThread = thread =>
            {
                if (++starts == 1)
                {
                    throw new InsufficientMemoryException("no more threads");
                }

                thread.UnsafeStart();
            },
        });
        using (CodeCache part = code.OpenPart(null))
        {
            using TestMachine guest = Counting(part);
            guest.Hart.Run(1000);
            Assert.Equal("InsufficientMemoryException: no more threads", code.Usage.LastFailure);
            Assert.Equal((500ul, 0, 0), (guest.Hart[A0], code.Usage.TranslatedBlocks, code.Usage.Waiting));
        }

        Assert.Equal(0, code.Usage.DecodedBytes); // so the page was not left pinned
        using TestMachine next = Counting(code);
        Assert.True(SpinWait.SpinUntil(
            () =>
            {
                next.Hart.Run(1000);
                return code.Usage.TranslatedBlocks > 0;
            },
            TimeSpan.FromMinutes(1)));
    }

    [SkippableFact]
    public void AUnitThatIsTooLargeForTheBufferStaysWithTheInterpreter()
    {
        Skip.IfNot(HostBackEnd.IsSupported, "this host runs no translated code");
        using CodeCache code = new(s_atFirstSight with { BufferBytes = 4096 });
        using TestMachine guest = new(code: code);
        const int Instructions = 500;
        guest.Program(Code, [.. Enumerable.Repeat(Ld(A1, Sp, 0), Instructions), Addi(A0, A0, 1), Jal(Zero, -4 * (Instructions + 1))]);
        guest.Hart[Sp] = Code + 0x10000;

        guest.Hart.Run(10 * (Instructions + 2));

        Assert.NotEqual(0, code.Usage.Failures);
        Assert.StartsWith("InvalidOperationException: a unit takes more than ", code.Usage.LastFailure, StringComparison.Ordinal);
        Assert.InRange(guest.Hart[A0], 9ul, 11ul);
    }

    private const int HonestPages = 8;

    private static TestMachine Counting(CodeCache code) =>
        new TestMachine(code: code).Program(Code, Addi(A0, A0, 1), Jal(Zero, -4));

    /// <summary>A guest that goes round a few pages.</summary>
    private static TestMachine Honest(CodeCache code) => CodeEvictionTests.Round(code, HonestPages, seed: 100);

    /// <summary>A guest that goes round many pages, of which no two are equal.</summary>
    private static TestMachine Flood(CodeCache code, int pages) => CodeEvictionTests.Round(code, pages, seed: 0);

    private static IEnumerable<CodePage> Pages(CodeCache part) =>
        part.Account.Pages.Where(page => !page.IsLeaving);

    private static long Empty()
    {
        using CodeCache empty = new(s_atFirstSight);
        return empty.Usage.CodeBytes;
    }
}
