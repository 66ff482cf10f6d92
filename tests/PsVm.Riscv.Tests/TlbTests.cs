using PsVm.Riscv.Mmu;

namespace PsVm.Riscv.Tests;

/// <summary>Entries that are pushed out of their place in the TLB, and come back.</summary>
public sealed unsafe class TlbTests : IDisposable
{
    private const ulong Page = 4096, First = 0x7000, Second = First + (Tlb.Size * Page), Third = Second + (Tlb.Size * Page), Addend = 0x10_0000;

    private readonly Tlb _tlb = new();

    [Fact]
    public void WhatIsPushedOutComesBackInExchange()
    {
        Fill(First);
        Fill(Second);
        Assert.Equal(Second, Entry(First).Read);

        Assert.True(Tlb.TryRecall(Entries, First + 123, Access.Load));
        Assert.Equal((First, First, Addend), (Entry(First).Read, Entry(First).Write, Entry(First).Addend));
        Assert.True(Tlb.TryRecall(Entries, Second, Access.Store));
        Assert.Equal(Second, Entry(First).Write);
    }

    [Fact]
    public void OnlyTheLastStays()
    {
        Fill(First);
        Fill(Second);
        Fill(Third);
        Assert.False(Tlb.TryRecall(Entries, First, Access.Load));
        Assert.True(Tlb.TryRecall(Entries, Second, Access.Load));
    }

    [Fact]
    public void APageThatIsOnlyReadComesBackForLoadsAlone()
    {
        Fill(First);
        Entries[Tlb.Index(First)].Write = TlbEntry.Invalid;
        Fill(Second);
        Assert.False(Tlb.TryRecall(Entries, First, Access.Store));
        Assert.Equal(Second, Entry(First).Read);
        Assert.True(Tlb.TryRecall(Entries, First, Access.Load));
    }

    /// <summary>Memory that was never written looks like page 0.</summary>
    [Fact]
    public void WhatWasNeverThereDoesNotComeBack()
    {
        for (ulong place = 0; place < Tlb.Size; place++)
        {
            Fill(place * Page);
            Assert.False(Tlb.TryRecall(Entries, place * Page, Access.Load));
        }

        Fill(Tlb.Victims * Page);
        Fill((Tlb.Victims + Tlb.Size) * Page);
        Assert.False(Tlb.TryRecall(Entries, 0, Access.Load));
    }

    [Fact]
    public void APageThatIsPutThereAnewIsNotThereTwice()
    {
        Fill(First);
        Fill(Second);
        Entries[Tlb.Index(Second)].Read = Entries[Tlb.Index(Second)].Write = TlbEntry.Invalid;
        Fill(First);
        Assert.False(Tlb.TryRecall(Entries, First, Access.Load));
    }

    [Fact]
    public void FencesForgetWhatWasPushedOut()
    {
        Fill(First);
        Fill(Second);
        _tlb.FlushPage(Tlb.Machine, First);
        Assert.False(Tlb.TryRecall(Entries, First, Access.Load));

        Fill(First);
        Fill(Second);
        _tlb.Flush(Tlb.Machine);
        Assert.False(Tlb.TryRecall(Entries, First, Access.Load));
    }

    [Fact]
    public void PagesThatGetCodeAreNotStoredToWhenTheyComeBack()
    {
        Fill(First);
        Fill(Second);
        _tlb.ProtectHostPage((byte*)(First + Addend));
        Assert.False(Tlb.TryRecall(Entries, First, Access.Store));
        Assert.True(Tlb.TryRecall(Entries, First, Access.Load));
    }

    public void Dispose() => _tlb.Dispose();

    private TlbEntry* Entries => _tlb.Use(Tlb.Machine);

    private TlbEntry Entry(ulong address) => Entries[Tlb.Index(address)];

    private void Fill(ulong page)
    {
        Tlb.Push(Entries, page);
        Entries[Tlb.Index(page)] = new TlbEntry { Read = page, Write = page, Addend = Addend };
    }
}
