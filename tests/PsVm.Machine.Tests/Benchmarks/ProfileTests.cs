using PsVm.Benchmarks;
using PsVm.Riscv;

namespace PsVm.Machine.Tests.Benchmarks;

/// <summary>What is made of a profile.</summary>
public sealed class ProfileTests : IDisposable
{
    private readonly string _list = Path.GetTempFileName();

    public void Dispose() => File.Delete(_list);

    [Theory]
    [InlineData(0x80001000, "first")]
    [InlineData(0x80001ffe, "first")]
    [InlineData(0x80002000, "second")]
    [InlineData(0x80002010, "second")]
    [InlineData(0x80000ffe, "page 0x80000000")]
    [InlineData(0x90000002, "page 0x90000000")]
    public void Functions_reach_to_the_next_one(ulong address, string expected)
    {
        File.WriteAllText(_list, "80002000 T second\n0000000080001000 t first [module]\n80001800 D data\n                 U none\n");

        Assert.Equal(expected, GuestSymbols.Read(_list).NameOf(address));
    }

    [Fact]
    public void Without_a_list_there_are_pages() => Assert.Equal("page 0x1000", GuestSymbols.Read(null).NameOf(0x1234));

    [Fact]
    public void A_list_of_nothing_is_refused()
    {
        File.WriteAllText(_list, "0000000000000000 T hidden\nnonsense\n");

        BenchmarkException error = Assert.Throws<BenchmarkException>(() => GuestSymbols.Read(_list));

        Assert.Contains(_list, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Shares_are_of_samples_and_costs_are_of_the_cpu_time()
    {
        long[] counts = new long[Enum.GetValues<HartWork>().Length];
        (counts[(int)HartWork.Translated], counts[(int)HartWork.Walk]) = (1000, 500);
        HartProfileCounts profile = new(
            counts,
            new()
            {
                [new HartSample(HartWork.Translated, PrivilegeMode.User, 0x1000)] = 2,
                [new HartSample(HartWork.Translated, PrivilegeMode.User, 0x2000)] = 1,
                [new HartSample(HartWork.Walk, PrivilegeMode.Supervisor, 0x1000)] = 1,
            },
            new() { [13] = 7, [1ul << 63 | 5] = 9 },
            new HartCodeExits { UnknownTarget = 11 },
            Instructions: 2_000_000,
            EmptyLookups: 3);

        string text = new ProfileReport("gzip", profile, TimeSpan.FromSeconds(2)).ToText(GuestSymbols.Read(null), top: 2);

        Assert.Contains("### gzip: 2.0 M instructions, 2.000 s of CPU, 1 MIPS, 4 samples", text, StringComparison.Ordinal);
        Assert.Contains("| Translated | 75.0 | 1000 | 500 | 1500.00 |", text, StringComparison.Ordinal);
        Assert.Contains("| Walk | 25.0 | 500 | 250 | 1000.00 |", text, StringComparison.Ordinal);
        Assert.Contains("11 for a jump table miss", text, StringComparison.Ordinal);
        Assert.Contains("User 75 %, Supervisor 25 %", text, StringComparison.Ordinal);
        Assert.Contains("interrupt 5: 9, 13: 7", text, StringComparison.Ordinal);
        Assert.Contains("| page 0x1000 (User) | 50.0 | Translated 100 % |", text, StringComparison.Ordinal);
        Assert.DoesNotContain("Csr", text, StringComparison.Ordinal);
    }

    [Fact]
    public void Exits_are_counted_from_one_look_to_the_next()
    {
        HartCodeExits before = new() { Limit = 5, Lookups = 7 }, now = new() { Limit = 6, Lookups = 17, Fault = 1 };

        Assert.Equal(new HartCodeExits { Limit = 1, Lookups = 10, Fault = 1 }, now.Add(before, -1));
    }
}
