using PsVm.Memory.Mapping;
using PsVm.Memory.Tests.Support;

namespace PsVm.Memory.Tests.Mapping;

/// <summary>Limits of control groups, in made-up trees of both versions.</summary>
public sealed class CgroupLimitTests : IDisposable
{
    private const long HugePage = 2 << 20;
    private const string NoLimit = "9223372036854771712";

    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Without_control_groups_there_is_no_limit()
    {
        Assert.Null(new CgroupLimits(_folder.Path).Memory());
        Assert.Null(new CgroupLimits(_folder.Path).HugePages(HugePage));
    }

    [Fact]
    public void The_least_of_a_group_and_those_above_counts_in_version_1()
    {
        Write("proc/self/cgroup", "4:memory:/vms/web\n1:name=systemd:/vms");
        Write("proc/self/mountinfo", "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory");
        Group("sys/fs/cgroup/memory", "memory.limit_in_bytes", NoLimit, "memory.usage_in_bytes", "7000");
        Group("sys/fs/cgroup/memory/vms", "memory.limit_in_bytes", "5000", "memory.usage_in_bytes", "4000");
        Group("sys/fs/cgroup/memory/vms/web", "memory.limit_in_bytes", "9000", "memory.usage_in_bytes", "3000");
        Write("sys/fs/cgroup/memory/vms/memory.stat", "cache 900\ntotal_inactive_file 500\n");

        Assert.Equal(
            new CgroupHeadroom(1500, "/sys/fs/cgroup/memory/vms/memory.limit_in_bytes"), new CgroupLimits(_folder.Path).Memory());
    }

    [Fact]
    public void Version_2_and_a_mount_that_shows_a_part_are_understood()
    {
        Write("proc/self/cgroup", "0::/docker/abc/web");
        Write("proc/self/mountinfo", "35 31 0:32 /docker/abc /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw");
        Group("sys/fs/cgroup", "memory.max", "max", "memory.current", "7000");
        Group("sys/fs/cgroup/web", "memory.max", "6000", "memory.current", "6500");
        Group("sys/fs/cgroup/web", "hugetlb.2MB.max", "4194304", "hugetlb.2MB.current", "2097152");

        CgroupLimits limits = new(_folder.Path);
        Assert.Equal(new CgroupHeadroom(-500, "/sys/fs/cgroup/web/memory.max"), limits.Memory());
        Assert.Equal(new CgroupHeadroom(HugePage, "/sys/fs/cgroup/web/hugetlb.2MB.max"), limits.HugePages(HugePage));
        Assert.Null(limits.HugePages(1 << 30));
    }

    [Fact]
    public void What_throttles_in_version_2_counts_as_what_kills()
    {
        Write("proc/self/cgroup", "0::/vms/web");
        Write("proc/self/mountinfo", "35 31 0:32 / /cg rw - cgroup2 cgroup rw");
        Group("cg/vms", "memory.max", "max", "memory.high", "6000", "memory.current", "5000");
        Group("cg/vms/web", "memory.max", "9000", "memory.high", "max", "memory.current", "4000");

        Assert.Equal(new CgroupHeadroom(1000, "/cg/vms/memory.high"), new CgroupLimits(_folder.Path).Memory());
    }

    [Fact]
    public void Page_cache_that_is_in_use_counts_by_half_and_is_not_looked_at_where_enough_is_left_without_it()
    {
        Write("proc/self/cgroup", "0::/");
        Write("proc/self/mountinfo", "35 31 0:32 / /cg rw - cgroup2 cgroup rw");
        Group("cg", "memory.max", "9000", "memory.current", "8000");
        Write("cg/memory.stat", "anon 1\nfile 2\nactive_anon 9\ninactive_file 300\nactive_file 200\nworkingset_refault_file 7\n");

        CgroupLimits limits = new(_folder.Path);
        Assert.Equal(1400, limits.Memory()!.Value.Bytes);
        Assert.Equal(1400, limits.Least(limits.MemoryGroups(), enough: 1000)!.Value.Bytes);
        Assert.Equal(1000, limits.Least(limits.MemoryGroups(), enough: 999)!.Value.Bytes);
    }

    [Theory]
    [InlineData("MemTotal:  100 kB\nMemFree: 1 kB\nMemAvailable:   40 kB\nSwapFree: 2 kB\n", "max", 42 << 10, 100 << 10, "/proc/meminfo")]
    [InlineData("MemTotal:  100 kB\nMemFree: 1 kB\nMemAvailable:   40 kB\nSwapFree: 2 kB\n", "20480", 16 << 10, 20 << 10, "/cg/memory.max")]
    [InlineData("MemTotal:  100 kB\nMemFree: 1 kB\nMemAvailable:   4 kB\nSwapFree: 0 kB\n", "20480", 4 << 10, 20 << 10, "/proc/meminfo")]
    public void What_is_available_is_the_least_of_the_host_and_its_groups(
        string memInfo, string max, long available, long total, string source)
    {
        Write("proc/meminfo", memInfo);
        Write("proc/self/cgroup", "0::/");
        Write("proc/self/mountinfo", "35 31 0:32 / /cg rw - cgroup2 cgroup rw");
        Group("cg", "memory.max", max, "memory.current", "4096");

        AvailableMemory memory = new(_folder.Path);
        Assert.Equal(new MemoryRoom(available, source), memory.Read());
        Assert.Equal(total, memory.Total());
    }

    [Fact]
    public void A_limit_that_is_changed_counts_with_the_next_look()
    {
        Write("proc/self/cgroup", "0::/");
        Write("proc/self/mountinfo", "35 31 0:32 / /cg rw - cgroup2 cgroup rw");
        Group("cg", "memory.max", "max", "memory.current", "4096");
        AvailableMemory memory = new(_folder.Path);
        Assert.Equal(long.MaxValue, memory.Read().Bytes); // neither the host nor a group says anything

        Group("cg", "memory.max", "8192");

        Assert.Equal(4096, memory.Read().Bytes);
    }

    [Fact]
    public void This_host_has_memory_available_and_not_more_than_there_is()
    {
        AvailableMemory memory = new();
        Assert.InRange(memory.Read().Bytes, 1, memory.Total() + (1L << 40)); // swap
    }

    [Fact]
    public void Reservations_of_huge_pages_have_a_limit_of_their_own()
    {
        Write("proc/self/cgroup", "4:hugetlb,memory:/");
        Write("proc/self/mountinfo", "35 31 0:32 / /cg rw - cgroup cgroup rw,memory,hugetlb");
        Group("cg", "hugetlb.2MB.limit_in_bytes", NoLimit, "hugetlb.2MB.usage_in_bytes", "0");
        Group("cg", "hugetlb.2MB.rsvd.limit_in_bytes", "2097152", "hugetlb.2MB.rsvd.usage_in_bytes", "0");

        Assert.Equal(
            new CgroupHeadroom(HugePage, "/cg/hugetlb.2MB.rsvd.limit_in_bytes"), new CgroupLimits(_folder.Path).HugePages(HugePage));
    }

    [Fact]
    public void Preallocation_that_the_group_has_no_room_for_is_refused_with_its_numbers()
    {
        Write("proc/self/cgroup", "0::/");
        Write("proc/self/mountinfo", "35 31 0:32 / /sys/fs/cgroup rw - cgroup2 cgroup rw");
        Group("sys/fs/cgroup", "memory.max", "1048576", "memory.current", "4096");
        BackendDecision decision = BackendDecision.Make(
            new MemoryBackendOptions { Size = 2 << 20, Prealloc = true }, denyPrivateDiscard: false, path: null, look: null!);

        BackendError? error = HostMemory.CheckPrealloc(decision, new CgroupLimits(_folder.Path));

        Assert.Equal(MemoryErrorIds.NotEnoughMemory, error?.Id);
        Assert.Contains("takes 2 MiB", error!.Message, StringComparison.Ordinal);
        Assert.Contains("leaves 1020 KiB (/sys/fs/cgroup/memory.max)", error.Message, StringComparison.Ordinal);
    }

    private void Group(string folder, params string[] filesAndContents)
    {
        for (int i = 0; i < filesAndContents.Length; i += 2)
        {
            Write($"{folder}/{filesAndContents[i]}", filesAndContents[i + 1] + "\n");
        }
    }

    private void Write(string file, string content)
    {
        string path = _folder.In(file);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, content);
    }
}
