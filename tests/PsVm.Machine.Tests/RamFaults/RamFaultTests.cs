using System.Diagnostics;
using PsVm.Memory.Tests.Support;

namespace PsVm.Machine.Tests.RamFaults;

/// <summary>A page of a RAM file that cannot be had ends the guest that touches it, and no other. In a process of its own, which would die.</summary>
[Collection(HostCollection.Name)]
public sealed class RamFaultTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("translated")]
    [InlineData("interpreted")]
    [InlineData("private")]
    public void A_truncated_file_ends_its_guest_and_three_go_on(string option)
    {
        string[] lines = Run("truncated", _folder.Path, option);

        Assert.StartsWith($"Failed: g2: RAM file '{_folder.In("g2")}' of backend 'g2' could not be had at file offset ", lines[2], StringComparison.Ordinal);
        Assert.EndsWith(": the file was truncated to 0 bytes.", lines[2], StringComparison.Ordinal);
        AssertOthersAnswer(lines);
    }

    [SkippableFact]
    public void A_full_tmpfs_ends_the_guest_that_needs_room_and_three_go_on()
    {
        using Mounted mount = Host.Mount(_folder, "tmpfs", "size=20m");
        AssertFull(Run("full", mount.Path), mount);
    }

    [SkippableFact]
    public void A_full_ext4_ends_the_guest_that_needs_room_and_three_go_on()
    {
        using Mounted mount = Host.MountNew(_folder, "ext4", 64 << 20);
        AssertFull(Run("full", mount.Path), mount);
    }

    [Fact]
    public void An_unlinked_file_harms_nobody()
    {
        string[] lines = Run("unlinked", _folder.Path);

        Assert.Equal("Running: g2: answers", lines[2]);
        AssertOthersAnswer(lines);
    }

    [SkippableFact]
    public void A_truncated_file_of_huge_pages_ends_its_guest_and_three_go_on()
    {
        using HugePages pages = new(20);
        using Mounted mount = Host.Mount(_folder, "hugetlbfs", "pagesize=2M");
        string[] lines = Run("truncated", mount.Path);

        Assert.StartsWith($"Failed: g2: RAM file '{mount.In("g2")}'", lines[2], StringComparison.Ordinal);
        Assert.EndsWith(": the file was truncated to 0 bytes.", lines[2], StringComparison.Ordinal);
        AssertOthersAnswer(lines);
    }

    [Fact]
    public void Read_only_memory_is_no_exception()
    {
        Assert.Contains("truncated to 0 bytes", Run("rom", _folder.Path)[0], StringComparison.Ordinal);
    }

    [Fact]
    public void Four_harts_may_meet_the_same_missing_pages_at_once()
    {
        string[] lines = Run("harts", _folder.Path);

        Assert.All(lines[..20], line => Assert.Contains("truncated to 3145728 bytes", line, StringComparison.Ordinal));
        Assert.Equal("Running: honest: answers", lines[20]);
    }

    [Fact]
    public void A_thousand_faults_in_one_process_end_a_thousand_guests_and_no_other()
    {
        Assert.Equal(
            ["failed: 1000 of 1000", "Running: honest0: answers", "Running: honest1: answers", "Running: honest2: answers"],
            Run("thousand", _folder.Path, "1000"));
    }

    [Fact]
    public void A_file_truncated_before_the_start_is_an_error_of_the_start()
    {
        string[] lines = Run("loader", _folder.Path);

        Assert.StartsWith($"start: RamFault: RAM file '{_folder.In("g")}'", lines[0], StringComparison.Ordinal);
        Assert.StartsWith("again: RamFault: ", lines[1], StringComparison.Ordinal);
        Assert.Equal("Running: honest: answers", lines[2]);
    }

    [Fact]
    public void What_the_SBI_cannot_read_ends_the_guest_that_asked()
    {
        string[] lines = Run("sbi", _folder.Path);

        Assert.StartsWith("Failed: g: RAM file ", lines[0], StringComparison.Ordinal);
        Assert.Equal("Running: honest: answers", lines[1]);
    }

    [Fact]
    public void A_checkpoint_of_RAM_that_is_gone_is_an_error_and_no_template()
    {
        string[] lines = Run("checkpoint", _folder.Path);

        Assert.StartsWith("checkpoint: RamFault: RAM file ", lines[0], StringComparison.Ordinal);
        Assert.StartsWith("Failed: g: RAM file ", lines[1], StringComparison.Ordinal);
        Assert.Equal(["template: False", "Running: honest: answers"], lines[2..]);
    }

    [Fact]
    public void A_truncated_template_ends_the_clones_that_touch_it_and_no_other()
    {
        string[] lines = Run("clones", _folder.Path);

        Assert.Equal(10, lines.Count(line => line.StartsWith("Failed: c", StringComparison.Ordinal)));
        Assert.Equal(["suspended: 40", "origin: Running", "Running: honest: answers"], lines[10..]);
    }

    [SkippableFact]
    public void A_limit_of_the_control_group_is_known_before_memory_is_taken()
    {
        const string parent = "/sys/fs/cgroup/memory";
        Skip.IfNot(File.Exists($"{parent}/memory.limit_in_bytes"), "there is no memory controller of version 1");
        string group = $"{parent}/psvm-test-{Environment.ProcessId}";
        try
        {
            Directory.CreateDirectory(group);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            Skip.If(true, $"no control group can be made: {failure.Message}");
        }

        try
        {
            File.WriteAllText($"{group}/memory.limit_in_bytes", "536870912");
            string[] lines = Run("prealloc", _folder.Path, group: group);

            Assert.StartsWith("NotEnoughMemory: Prealloc takes 1073741824 bytes ", lines[0], StringComparison.Ordinal);
            Assert.Contains($"({group}/memory.limit_in_bytes)", lines[0], StringComparison.Ordinal);
            Assert.StartsWith("create: NotEnoughMemory: ", lines[1], StringComparison.Ordinal);
        }
        finally
        {
            // Its only process has ended; the kernel may need a moment to notice.
            SpinWait.SpinUntil(
                () =>
                {
                    try
                    {
                        Directory.Delete(group);
                        return true;
                    }
                    catch (IOException)
                    {
                        return false;
                    }
                },
                TimeSpan.FromSeconds(10));
        }
    }

    private static void AssertFull(string[] lines, Mounted mount)
    {
        Assert.StartsWith($"Failed: g2: RAM file '{mount.In("g2")}'", lines[2], StringComparison.Ordinal);
        Assert.Contains(": its file system is full: ENOSPC ", lines[2], StringComparison.Ordinal);
        AssertOthersAnswer(lines);
    }

    private static void AssertOthersAnswer(string[] lines)
    {
        Assert.Equal(4, lines.Length);
        Assert.Equal(["Running: g0: answers", "Running: g1: answers", "Running: g3: answers"], [lines[0], lines[1], lines[3]]);
    }

    /// <summary>Runs the helper to its end.</summary>
    private static string[] Run(string scenario, string folder, string option = "translated", string? group = null)
    {
        string join = group is null ? "" : $"echo $$ > {group}/cgroup.procs && ";
        using Process process = Process.Start(new ProcessStartInfo(
            "sh",
            ["-c", $"{join}exec dotnet exec \"$@\"", "sh", typeof(RamFaultTests).Assembly.Location, RamFaultProgram.Argument, scenario, folder, option])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string[] lines = process.StandardOutput.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"exit code {process.ExitCode} after: {string.Join(" | ", lines)} {errors.Result}");
        Assert.Equal("end", lines[^1]);
        return lines[..^1];
    }
}
