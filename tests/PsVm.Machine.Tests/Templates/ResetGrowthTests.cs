namespace PsVm.Machine.Tests.Templates;

/// <summary>What resets leave behind in the process, which is looked at while no other test runs.</summary>
[Collection(Name)]
public sealed class ResetGrowthTests : TemplateTest
{
    private const string Name = "What the process holds after resets";

    [Fact]
    public void Ten_thousand_resets_leave_nothing_behind()
    {
        GuestTemplate template = MakeTemplate("t");
        string clone = Clone(template);
        Reset(2_000);
        (long memory, int mappings, int files, int threads) = Look();

        Reset(10_000);

        (long memoryAfter, int mappingsAfter, int filesAfter, int threadsAfter) = Look();
        Assert.InRange(memoryAfter - memory, long.MinValue, 16 << 20);
        Assert.InRange(mappingsAfter - mappings, int.MinValue, 60);
        Assert.InRange(filesAfter - files, int.MinValue, 10);
        Assert.InRange(threadsAfter - threads, int.MinValue, 10);
        Assert.Equal(12_000, Host.Get(clone).Resets);
        Check(clone);

        void Reset(int count)
        {
            for (int i = 0; i < count; i++)
            {
                Host.Reset(clone, keepIdentity: i % 2 == 0);
            }
        }

        static (long Memory, int Mappings, int Files, int Threads) Look()
        {
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
            string own = File.ReadLines("/proc/self/smaps_rollup").First(line => line.StartsWith("Anonymous:", StringComparison.Ordinal));
            return (
                long.Parse(own.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], null) << 10,
                File.ReadLines("/proc/self/maps").Count(),
                Directory.GetFiles("/proc/self/fd").Length,
                Directory.GetDirectories("/proc/self/task").Length);
        }
    }

    /// <summary>Runs alone.</summary>
    [CollectionDefinition(Name, DisableParallelization = true)]
    public sealed class Alone;
}
