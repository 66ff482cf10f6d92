using PsVm.Riscv.Memory;
using static PsVm.Riscv.Tests.Asm;

namespace PsVm.Riscv.Tests;

/// <summary>What harts of a family know of their RAM before they run.</summary>
public sealed class InitialPagesTests : IDisposable
{
    private const ulong Code = TestMachine.RamBase, Next = Code + 4096;
    private const string Content = "template";

    private readonly CodeCache _code = new(new TranslatorOptions { Threshold = 1 });
    private readonly List<IDisposable> _made = [];

    [Fact]
    public void TheSecondOfAFamilyBeginsWithWhatTheFirstHasRunAndNotWritten()
    {
        bool[] knew = [.. Enumerable.Range(0, 3).Select(_ => Run(Begin()).Knew)];
        Assert.Equal([false, true, true], knew);
    }

    [Fact]
    public void ManyPagesAreLookedAtTogether()
    {
        int looks = 0;
        uint[] program = [
            .. Enumerable.Range(0, 100).SelectMany(page => new[] { Addi(A0, A0, page), Jal(Zero, 4092) }.Concat(new uint[1022]))];
        TestMachine first = Begin(program: program, areUnwritten: pages =>
        {
            looks++;
            return Array.ConvertAll(pages, page => page % 8192 == 0);
        });
        first.Hart.Run(2 * 100);
        Assert.Equal(3, looks);

        TestMachine second = Begin(program: program);
        int[] known = [.. Enumerable.Range(0, 100).Where(page => second.Hart.Blocks.HasCode(page))];
        Assert.InRange(known.Length, 40, 48);
        Assert.Single(known.Select(page => page % 2).Distinct());
    }

    [Fact]
    public void WhatWasWrittenSinceRunsAsItIs()
    {
        Run(Begin());
        TestMachine byHost = Begin();
        Assert.True(byHost.Memory.Write(new GuestAddress(Code), BitConverter.GetBytes(Addi(A0, A0, 7))).IsDone);
        Assert.Equal(7 * 50ul, Run(byHost).Guest.Hart[A0]);

        // By the hart: a store that comes before it, in the next page.
        TestMachine byItself = Begin().Program(Next, Sw(A2, A1, 0), Jalr(Zero, A1, 0));
        (byItself.Hart.Pc, byItself.Hart[A1], byItself.Hart[A2]) = (Next, Code, Addi(A0, A0, 9));
        Assert.True(byItself.Hart.Blocks.HasCode(0));
        byItself.Hart.Run(102);
        Assert.Equal(9 * 50ul, byItself.Hart[A0]);
        Assert.Equal(50ul, Run(Begin()).Guest.Hart[A0]);
    }

    [Fact]
    public void WhatGuestsHadWrittenNoneBeginsWith()
    {
        for (int i = 0; i < 2; i++)
        {
            // no longer as it began
            TestMachine writer = Begin(areUnwritten: pages => new bool[pages.Length]).Program(Next, Addi(A0, A0, 3), Jal(Zero, -4));
            writer.Hart.Pc = Next;
            Assert.Equal(150ul, Run(writer).Guest.Hart[A0]);
        }

        TestMachine fresh = Begin();
        Assert.False(fresh.Hart.Blocks.HasCode(1));
        fresh.Program(Next, Addi(A0, A0, 4), Jal(Zero, -4)).Hart.Pc = Next;
        Assert.Equal(200ul, Run(fresh).Guest.Hart[A0]);
    }

    [Fact]
    public void AFenceHasThemCompared()
    {
        Run(Begin());
        TestMachine guest = Begin();
        guest.Program(Code, Addi(A0, A0, 5)); // nobody is told
        guest.Hart.RequestInstructionFence();
        Assert.Equal(250ul, Run(guest).Guest.Hart[A0]);
    }

    [Fact]
    public void PagesThatLeaveAreForgottenBeforeTheHartRuns()
    {
        using CodeCache code = new(TranslatorOptions.Off);
        Run(Begin(code: code));
        TestMachine guest = Begin(code: code);
        Assert.True(guest.Hart.Blocks.HasCode(0));
        code.Space.Room.Make(forCode: false, 1 << 30);
        Assert.Equal((1, 0), (code.Usage.EvictedPages, code.Usage.DecodedBytes));

        Assert.Equal(50ul, Run(guest).Guest.Hart[A0]);
        Assert.NotEqual(0, code.Usage.DecodedBytes); // what left is no longer used
        TestMachine later = Begin(code: code);
        Assert.Equal(50ul, Run(later).Guest.Hart[A0]);
    }

    [Fact]
    public void PagesThatLeftAreNotKeptForThoseToCome()
    {
        const int Pages = 400, Room = 48, Words = 1024;
        using CodeCache code = new(TranslatorOptions.Off with { DecodedBytes = Room * 4096 });
        uint[] program = new uint[Pages * Words];
        for (int page = 0; page < Pages; page++)
        {
            (program[page * Words], program[(page * Words) + 1]) = (Addi(A0, A0, page), Jal(Zero, 4092));
        }

        TestMachine guest = Begin(program: program, code: code, areUnwritten: pages => Array.ConvertAll(pages, _ => true));
        for (int run = 0; run < Pages; run++)
        {
            guest.Hart.Run(2);
        }

        Assert.Equal(TestMachine.RamBase + (Pages * 4096ul), guest.Hart.Pc);
        Assert.InRange(code.Usage.EvictedPages, Room, Pages);
        Assert.InRange(guest.Hart.Blocks.Account.Scope.Initial.Count, 1, Room);
    }

    [Theory]
    [InlineData("web", Content, true, 1, true)]
    [InlineData("web", "other", true, 1, false)]
    [InlineData("web", Content, false, 1, false)]
    [InlineData("web", Content, true, 2, false)]
    [InlineData("db", Content, true, 1, false)]
    [InlineData(null, Content, true, 1, false)]
    public void OnlyAHartThatIsAloneOnRamOfItsOwnBeginsSo(string? family, string content, bool isPrivate, int harts, bool knows)
    {
        Run(Begin());
        TestMachine guest = Begin(family, content, isPrivate, harts: harts);
        Assert.Equal(knows, guest.Hart.Blocks.HasCode(0));
        Assert.Equal(50ul, Run(guest).Guest.Hart[A0]);
    }

    [Fact]
    public void WhatOtherFilesHoldIsSeenAgain()
    {
        Run(Begin());
        Run(Begin(content: "touched"));
        Assert.True(Begin(content: "touched").Hart.Blocks.HasCode(0));
        Assert.False(Begin().Hart.Blocks.HasCode(0));
        Run(Begin());
        Assert.True(Begin().Hart.Blocks.HasCode(0));
    }

    public void Dispose()
    {
        Enumerable.Reverse(_made).ToList().ForEach(made => made.Dispose());
        _code.Dispose();
    }

    private TestMachine Begin(
        string? family = "web",
        string content = Content,
        bool isPrivate = true,
        Func<nint[], bool[]>? areUnwritten = null,
        int harts = 1,
        uint[]? program = null,
        CodeCache? code = null)
    {
        CodeCache part = (code ?? _code).OpenPart(family);
        TestMachine guest = new TestMachine(code: part).Program(Code, program ?? [Addi(A0, A0, 1), Jal(Zero, -4)]);
        _made.AddRange([part, guest]);
        for (int more = 1; more < harts; more++)
        {
            _made.Add(new Hart(more, guest.Memory, guest, guest, null, part));
        }

        guest.Memory.IsPrivate = isPrivate;
        byte[] then = guest.Ram[..8192].ToArray();
        guest.Hart.BeginWithFamily(content, areUnwritten ?? (pages => Array.ConvertAll(pages, page => HoldsAs(guest, page, then))));
        return guest;
    }

    private static unsafe bool HoldsAs(TestMachine guest, nint host, byte[] then)
    {
        int offset = (int)guest.Memory.PageAt((byte*)host) << 12;
        return offset < then.Length && guest.Ram.Slice(offset, 4096).SequenceEqual(then.AsSpan(offset, 4096));
    }

    private static (TestMachine Guest, bool Knew) Run(TestMachine guest)
    {
        bool knew = guest.Hart.Blocks.HasCode(0);
        for (int run = 0; run < 50; run++)
        {
            guest.Hart.Run(2); // a few pages are looked at after some runs
        }

        return (guest, knew);
    }
}
