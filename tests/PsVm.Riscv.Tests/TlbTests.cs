using System.Runtime.InteropServices;
using PsVm.Riscv.Mmu;

namespace PsVm.Riscv.Tests;

/// <summary>Entries that are pushed out of their place in the TLB, and come back; and TLBs that grow.</summary>
public sealed unsafe class TlbTests : IDisposable
{
    private const ulong Page = 4096, First = 0x7000, Second = First + (Tlb.FirstSize * Page), Third = Second + (Tlb.FirstSize * Page),
        Addend = 0x10_0000;

    // No more pushes than this let a TLB be as it is.
    private const ulong Some = 1500;

    private readonly HartState* _state = (HartState*)NativeMemory.AllocZeroed((nuint)sizeof(HartState));
    private readonly Tlb _tlb;

    public TlbTests() => _tlb = new Tlb(_state);

    [Fact]
    public void WhatIsPushedOutComesBackInExchange()
    {
        Fill(First);
        Fill(Second);
        Assert.Equal(Second, Entry(First).Read);

        Assert.True(_tlb.TryRecall(Entries, First + 123, Access.Load));
        Assert.Equal((First, First, Addend), (Entry(First).Read, Entry(First).Write, Entry(First).Addend));
        Assert.True(_tlb.TryRecall(Entries, Second, Access.Store));
        Assert.Equal(Second, Entry(First).Write);
    }

    [Fact]
    public void OnlyTheLastStays()
    {
        Fill(First);
        Fill(Second);
        Fill(Third);
        Assert.False(_tlb.TryRecall(Entries, First, Access.Load));
        Assert.True(_tlb.TryRecall(Entries, Second, Access.Load));
    }

    [Fact]
    public void APageThatIsOnlyReadComesBackForLoadsAlone()
    {
        Fill(First);
        _tlb.Place(Entries, First)->Write = TlbEntry.Invalid;
        Fill(Second);
        Assert.False(_tlb.TryRecall(Entries, First, Access.Store));
        Assert.Equal(Second, Entry(First).Read);
        Assert.True(_tlb.TryRecall(Entries, First, Access.Load));
    }

    /// <summary>Memory that was never written looks like page 0.</summary>
    [Fact]
    public void WhatWasNeverThereDoesNotComeBack()
    {
        for (ulong place = 0; place < Tlb.FirstSize; place++)
        {
            Fill(place * Page);
            Assert.False(_tlb.TryRecall(Entries, place * Page, Access.Load));
        }

        Fill(Tlb.Victims * Page);
        Fill((Tlb.Victims + Tlb.FirstSize) * Page);
        Assert.False(_tlb.TryRecall(Entries, 0, Access.Load));
    }

    [Fact]
    public void APageThatIsPutThereAnewIsNotThereTwice()
    {
        Fill(First);
        Fill(Second);
        _tlb.Place(Entries, Second)->Read = _tlb.Place(Entries, Second)->Write = TlbEntry.Invalid;
        Fill(First);
        Assert.False(_tlb.TryRecall(Entries, First, Access.Load));
    }

    [Fact]
    public void FencesForgetWhatWasPushedOut()
    {
        Fill(First);
        Fill(Second);
        _tlb.FlushPage(Tlb.Machine, First);
        Assert.False(_tlb.TryRecall(Entries, First, Access.Load));

        Fill(First);
        Fill(Second);
        _tlb.Flush(Tlb.Machine);
        Assert.False(_tlb.TryRecall(Entries, First, Access.Load));
    }

    [Fact]
    public void PagesThatGetCodeAreNotStoredToWhenTheyComeBack()
    {
        Fill(First);
        Fill(Second);
        _tlb.ProtectHostPage((byte*)(First + Addend));
        Assert.False(_tlb.TryRecall(Entries, First, Access.Store));
        Assert.True(_tlb.TryRecall(Entries, First, Access.Load));
    }

    [Fact]
    public void GrowsWhenPagesPushEachOtherOut()
    {
        TlbEntry* before = Entries;
        Fill(Third);
        PushOut(Some);
        Assert.Equal(Tlb.FirstSize, _tlb.Size);
        PushOut(Some);
        Assert.InRange(_tlb.Size, Tlb.FirstSize + 1, Tlb.MostSize);
        Assert.True(before == Entries);

        // What had been there is forgotten, what comes has a place of its own.
        Assert.NotEqual(Third, Entry(Third).Read);
        Assert.False(_tlb.TryRecall(Entries, Third, Access.Load));
        Fill(First);
        Fill(Second);
        Assert.Equal((First, Second), (Entry(First).Read, Entry(Second).Read));
        _tlb.FlushPage(Tlb.Machine, Second);
        Assert.Equal((First, TlbEntry.Invalid), (Entry(First).Read, Entry(Second).Read));
    }

    [Fact]
    public void GrowsToABound()
    {
        for (int i = 0; i < 12; i++)
        {
            PushOut(Some);
        }

        Assert.Equal(Tlb.MostSize, _tlb.Size);
        for (ulong page = 0; page < Tlb.MostSize; page++)
        {
            Fill(page * Page);
        }

        Fill(Tlb.MostSize * Page);
        Assert.Equal((Tlb.MostSize * Page, (Tlb.MostSize - 1) * Page), (Entry(0).Read, Entry((Tlb.MostSize - 1) * Page).Read));
        Assert.True(_tlb.TryRecall(Entries, 0, Access.Load));
        _tlb.FlushAll();
        Assert.Equal(TlbEntry.Invalid, Entry((Tlb.MostSize - 1) * Page).Read);
    }

    /// <summary>A guest that has been at work for a long time has pushed out much, but slowly.</summary>
    [Fact]
    public void StaysSmallWhileThereAreTrapsEnough()
    {
        for (int i = 0; i < 20; i++)
        {
            PushOut(Some);
            _state->Traps += 20;
        }

        Assert.Equal(Tlb.FirstSize, _tlb.Size);
    }

    [Fact]
    public void OthersGrowAlongAndForget()
    {
        TlbEntry* other = _tlb.Use(Tlb.Supervisor);
        _tlb.Put(other, First, new TlbEntry { Read = First, Write = First, Addend = Addend });
        PushOut(2 * Some);
        Assert.Equal(TlbEntry.Invalid, _tlb.Place(other, First)->Read);
        Assert.True(other == _tlb.Use(Tlb.Supervisor));
        Assert.Equal(TlbEntry.Invalid, _tlb.Place(other, 0)->Read);
        Assert.Equal(TlbEntry.Invalid, _tlb.Place(other, ulong.MaxValue)->Read);
    }

    [Fact]
    public void WhoLooksIntoAnEmptyOneFindsNothingWhenItHasGrown()
    {
        TlbEntry* other = _tlb.Use(Tlb.Supervisor);
        _tlb.Flush(Tlb.Supervisor);
        PushOut(2 * Some);
        Assert.NotEqual(Tlb.FirstSize, _tlb.Size);
        Assert.Equal(TlbEntry.Invalid, _tlb.Place(other, 0)->Read);
        Assert.Equal(TlbEntry.Invalid, _tlb.Place(other, ulong.MaxValue)->Read);
    }

    [Fact]
    public void PagesThatGetCodeAreFoundAmongMany()
    {
        PushOut(2 * Some);
        Fill(First);
        Fill(Second);
        _tlb.ProtectHostPage((byte*)(Third + Addend)); // shares no bit, then one
        _tlb.ProtectHostPage((byte*)(First + Addend + (HostPageFilter.Bits * Page)));
        Assert.Equal((First, Second), (Entry(First).Write, Entry(Second).Write));
        _tlb.ProtectHostPage((byte*)(First + Addend));
        Assert.Equal((TlbEntry.Invalid, Second), (Entry(First).Write, Entry(Second).Write));
        _tlb.ProtectHostPage((byte*)(Second + Addend));
        Assert.Equal(TlbEntry.Invalid, Entry(Second).Write);
    }

    public void Dispose()
    {
        _tlb.Dispose();
        NativeMemory.Free(_state);
    }

    private TlbEntry* Entries => _tlb.Use(Tlb.Machine);

    private TlbEntry Entry(ulong address) => *_tlb.Place(Entries, address);

    private void Fill(ulong page) => _tlb.Put(Entries, page, new TlbEntry { Read = page, Write = page, Addend = Addend });

    private void PushOut(ulong times)
    {
        for (ulong time = 0; time < times; time++)
        {
            Fill((time & 1) * Tlb.MostSize * Page);
        }
    }
}
