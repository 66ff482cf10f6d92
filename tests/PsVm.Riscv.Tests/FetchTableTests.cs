using PsVm.Riscv.Mmu;

namespace PsVm.Riscv.Tests;

/// <summary>Pages that a hart fetches from: what was added is found until it is forgotten, wherever others are.</summary>
public sealed class FetchTableTests
{
    [Theory]
    [InlineData(0x1000)]
    [InlineData(0x4000_0000)]
    [InlineData(0xffff_f000)]
    public void ItKnowsWhatADictionaryWould(ulong step)
    {
        Random random = new(7);
        FetchTable table = new();
        Dictionary<ulong, (ulong, bool)> expected = [];
        for (int round = 0; round < 20_000; round++)
        {
            ulong address = (ulong)random.Next(400) * step;
            switch (random.Next(round % 4000 < 3000 ? 3 : 5))
            {
                case 0 or 1 when !expected.ContainsKey(address):
                    (ulong, bool) page = ((ulong)random.Next(1 << 20) << 12, random.Next(2) == 0);
                    expected.Add(address, page);
                    table.Add(address, page.Item1, page.Item2);
                    break;
                case >= 2:
                    Assert.Equal(expected.Remove(address), table.Remove(address | 0xffe));
                    break;
            }

            bool there = table.TryGet(address + 2, out ulong physical, out bool isWhole);
            Assert.Equal(expected.TryGetValue(address, out (ulong, bool) known), there);
            Assert.True(!there || known == (physical, isWhole));
        }

        foreach ((ulong address, (ulong, bool) known) in expected)
        {
            Assert.True(table.TryGet(address, out ulong physical, out bool isWhole));
            Assert.Equal(known, (physical, isWhole));
        }

        table.Clear();
        Assert.All(expected.Keys, address => Assert.False(table.TryGet(address, out _, out _)));
    }

    [Fact]
    public void ItIsFullWhereItSaysSo()
    {
        FetchTable table = new();
        for (int page = 0; page < FetchTable.Capacity; page++)
        {
            Assert.False(table.IsFull);
            table.Add(ulong.MaxValue - ((ulong)page << 12), (ulong)page << 12, isWhole: true);
        }

        Assert.True(table.IsFull);
        table.Clear();
        Assert.False(table.IsFull);
        Assert.False(table.Remove(ulong.MaxValue));
    }
}
