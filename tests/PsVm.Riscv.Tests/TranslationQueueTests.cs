using PsVm.Riscv.Translation.Cache;
using PsVm.Riscv.Translation;
using static PsVm.Riscv.Tests.Asm;

namespace PsVm.Riscv.Tests;

/// <summary>Who waits for whose translations.</summary>
public sealed class TranslationQueueTests
{
    private const ulong Code = TestMachine.RamBase;
    private const int ManyPages = 600, HonestPage = 3000;
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(1);

    [Fact]
    public void GuestsAreServedInTurn()
    {
        TranslationQueue queue = new();
        CodeAccount[] guests = [.. Enumerable.Range(0, 3).Select(_ => Guest())];
        TranslationRequest[] first = Requests(guests[0], 4), second = Requests(guests[1], 1), third = Requests(guests[2], 2);
        foreach ((CodeAccount guest, TranslationRequest[] requests) in guests.Zip([first, second, third]))
        {
            Assert.All(requests, request => Assert.True(queue.TryAdd(guest, request)));
        }

        Assert.Equal(7, queue.Count);
        Assert.Equal([first[0], second[0], third[0], first[1], third[1], first[2], first[3]], TakeAll(queue));
        Assert.Equal(0, queue.Count);
    }

    [Fact]
    public void OneGuestHasSoManyWaitingAndNoMore()
    {
        TranslationQueue queue = new();
        CodeAccount hostile = Guest(), honest = Guest();

        int accepted = Requests(hostile, 2 * TranslationQueue.MostOfOneGuest).Count(request => queue.TryAdd(hostile, request));

        Assert.Equal(TranslationQueue.MostOfOneGuest, accepted);
        Assert.True(queue.TryAdd(honest, Requests(honest, 1)[0]));
    }

    [Fact]
    public void WhatLeavesIsTranslatedNoMore()
    {
        TranslationQueue queue = new();
        CodeAccount one = Guest(), other = Guest();
        TranslationRequest[] first = Requests(one, 3), second = Requests(other, 2);
        Assert.All(first, request => queue.TryAdd(one, request));
        Assert.All(second, request => queue.TryAdd(other, request));
        first[1].Page.IsLeaving = second[0].Page.IsLeaving = second[1].Page.IsLeaving = true;

        queue.DropLeaving();

        Assert.Equal(2, queue.Count);
        Assert.Equal([first[0], first[2]], TakeAll(queue));
    }

    [Fact]
    public void WhatAGuestThatGoesHadAskedForIsGivenBack()
    {
        TranslationQueue queue = new();
        CodeAccount one = Guest(), other = Guest();
        TranslationRequest[] first = Requests(one, 3), second = Requests(other, 2);
        Assert.All(first, request => queue.TryAdd(one, request));
        Assert.All(second, request => queue.TryAdd(other, request));

        Assert.Equal(first, queue.Drop(one));

        Assert.Equal(2, queue.Count);
        Assert.Equal(second, TakeAll(queue));
    }

    [SkippableFact]
    public void AGuestWithManyHotBlocksDoesNotKeepAnotherWaiting()
    {
        Skip.IfNot(HostBackEnd.IsSupported, "this host runs no translated code");
        Thread? translator = null;
        List<long> pages = [];
        using CodeCache code = new(new TranslatorOptions
        {
            Threshold = 3,
            StartThread = thread => translator = thread,
            Observer = translated => pages.Add(translated.Page),
        });
        using CodeCache hostilePart = code.OpenPart(null), honestPart = code.OpenPart(null);
        using TestMachine hostile = CodeEvictionTests.Round(hostilePart, ManyPages, seed: 0);
        using TestMachine honest = new(16 << 20, code: honestPart);
        honest.Program(Code + ((ulong)HonestPage << 12), Addi(A0, A0, 1), Jal(Zero, -4)).Hart.Pc = Code + ((ulong)HonestPage << 12);

        hostile.Hart.Run(5 * 4 * ManyPages);
        honest.Hart.Run(20);

        Assert.Equal(TranslationQueue.MostOfOneGuest + 1, code.Usage.Waiting);
        Assert.NotNull(translator);
        translator.UnsafeStart();
        Assert.True(SpinWait.SpinUntil(() => code.Usage.Waiting == 0, s_patience));

        // What was refused is asked for again as long as it is hot.
        Assert.True(SpinWait.SpinUntil(
            () =>
            {
                hostile.Hart.Run(4 * ManyPages);
                return code.Usage.TranslatedBlocks == ManyPages + 1;
            },
            s_patience));
        Assert.InRange(pages.IndexOf(HonestPage), 0, 1);
    }

    [SkippableFact]
    public void WhatACloneHadAskedForIsTranslatedForItsSiblings()
    {
        Skip.IfNot(HostBackEnd.IsSupported, "this host runs no translated code");
        Thread? translator = null;
        using CodeCache code = new(new TranslatorOptions { Threshold = 3, StartThread = thread => translator = thread });
        using CodeCache siblingPart = code.OpenPart("web");
        using (CodeCache part = code.OpenPart("web"))
        {
            using TestMachine clone = CodeEvictionTests.Round(part, 8, seed: 0);
            clone.Hart.Run(5 * 4 * 8);
            Assert.Equal(8, code.Usage.Waiting);
        }

        Assert.Equal(0, code.Usage.Waiting);
        using TestMachine sibling = CodeEvictionTests.Round(siblingPart, 8, seed: 0);
        sibling.Hart.Run(5 * 4 * 8);
        Assert.Equal(8, code.Usage.Waiting);
        translator!.UnsafeStart();
        Assert.True(SpinWait.SpinUntil(() => code.Usage.TranslatedBlocks == 8, s_patience));
    }

    [SkippableFact]
    public void AGuestThatGoesWhileItsCodeIsTranslatedLeavesNothing()
    {
        Skip.IfNot(HostBackEnd.IsSupported, "this host runs no translated code");
        Thread? translator = null;
        CodeCache? part = null;
        TestMachine? guest = null;
        using CodeCache code = new(new TranslatorOptions
        {
            Threshold = 3,
            StartThread = thread => translator = thread,
            Observer = _ =>
            {
                guest!.Dispose();
                part!.Dispose();
            },
        });
        part = code.OpenPart(null);
        guest = new TestMachine(code: part).Program(Code, Addi(A0, A0, 1), Jal(Zero, -4));
        guest.Hart.Run(20);
        translator!.UnsafeStart();

        Assert.True(SpinWait.SpinUntil(() => code.Usage is { DecodedBytes: 0, TranslatedBlocks: 0, Waiting: 0 }, s_patience));
        Assert.Equal((0, null), (code.Usage.Failures, code.Usage.LastFailure));
    }

    private static CodeAccount Guest() => new(new CodeScope(null) { Accounts = 1 });

    private static unsafe TranslationRequest[] Requests(CodeAccount account, int count) =>
        [.. Enumerable.Range(0, count).Select(_ => new TranslationRequest(new CodePage(account, 0, 0, null, 0, 0, default), 0, null))];

    private static List<TranslationRequest> TakeAll(TranslationQueue queue)
    {
        List<TranslationRequest> taken = [];
        while (queue.TryTake(out TranslationRequest? request))
        {
            taken.Add(request);
        }

        return taken;
    }
}
