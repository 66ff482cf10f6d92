using System.Diagnostics;
using PsVm.Machine.Tests.Support;
using PsVm.Memory.Tests.Support;

namespace PsVm.Machine.Tests.RamFaults;

/// <summary>
/// A page of a RAM file that cannot be had ends the guest that touches it, and no other. In a process of its own, which would die.
/// </summary>
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

        Assert.StartsWith(
            $"Failed: g2: RAM file '{_folder.In("g2")}' of backend 'g2' could not be had at file offset ",
            lines[2],
            StringComparison.Ordinal);
        Assert.EndsWith(": the file was truncated to 0 B.", lines[2], StringComparison.Ordinal);
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
        Assert.EndsWith(": the file was truncated to 0 B.", lines[2], StringComparison.Ordinal);
        AssertOthersAnswer(lines);
    }

    [SkippableFact]
    public void A_quota_that_is_used_up_ends_the_guest_that_needs_room_and_three_go_on()
    {
        // Of the four files one, and what uses the rest of it up, is in a subvolume that may have so much and no more.
        using Mounted mount = Host.MountNew(_folder, "btrfs", 256 << 20);
        string limited = mount.In("limited");
        string[][] commands = [["subvolume", "create", limited], ["quota", "enable", mount.Path], ["qgroup", "limit", "24M", limited]];
        foreach (string[] command in commands)
        {
            (int code, string output) = Host.Run("btrfs", command);
            Skip.IfNot(code == 0, $"no quota can be set: {output}");
        }

        File.CreateSymbolicLink(mount.In("g2"), Path.Combine(limited, "g2"));
        File.CreateSymbolicLink(mount.In("filler"), Path.Combine(limited, "filler"));

        AssertFailed(Run("full", mount.Path), mount.In("g2"), ": the quota of its file system is used up: EDQUOT ");
    }

    [SkippableFact]
    public void A_huge_page_that_is_lost_ends_its_guest_and_three_go_on()
    {
        using HugePages pages = new(20);
        using Mounted mount = Host.Mount(_folder, "hugetlbfs", "pagesize=2M");

        AssertFailed(Run("no-huge-page", mount.Path), mount.In("g2"), ": no huge page of 2 MiB was free ");
    }

    [SkippableTheory]
    [InlineData("real", "")] // the guest finds it where it reads first in the page
    [InlineData("announced", "file offset 6291456 (RAM offset 6291456)")]
    public void An_error_of_the_hosts_memory_ends_the_guest_whose_page_it_is_and_three_go_on(string way, string where)
    {
        string[] lines = Run("memory-error", _folder.Path, way);
        Skip.If(
            lines is [var only] && only.StartsWith("unavailable: ", StringComparison.Ordinal), $"no memory error can be made: {lines[0]}");

        AssertFailed(lines, _folder.In("g2"), $"{where}: the host's memory has an error there (EHWPOISON).");
    }

    [Fact]
    public void Read_only_memory_is_no_exception()
    {
        Assert.Contains("truncated to 0 B", Run("rom", _folder.Path)[0], StringComparison.Ordinal);
    }

    [Fact]
    public void Four_harts_may_meet_the_same_missing_pages_at_once()
    {
        string[] lines = Run("harts", _folder.Path);

        Assert.All(lines[..20], line => Assert.Contains("truncated to 3 MiB", line, StringComparison.Ordinal));
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

    [Theory]
    [InlineData("shared")]
    [InlineData("private")]
    public void A_guest_that_dies_of_its_RAM_while_it_is_checkpointed_leaves_no_template(string share)
    {
        string[] lines = Run("checkpoint-running", _folder.Path, share);

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
        using MemoryGroup group = MemoryGroup.Make("prealloc", 512 << 20);

        string[] lines = group.Run(
            typeof(RamFaultTests).Assembly.Location, RamFaultProgram.Argument, "prealloc", _folder.Path, "translated");

        Assert.StartsWith("NotEnoughMemory: Prealloc takes 1 GiB ", lines[0], StringComparison.Ordinal);
        Assert.Contains($"({group.LimitFile})", lines[0], StringComparison.Ordinal);
        Assert.StartsWith("create: NotEnoughMemory: ", lines[1], StringComparison.Ordinal);
    }

    private static void AssertFull(string[] lines, Mounted mount) =>
        AssertFailed(lines, mount.In("g2"), ": its file system is full: ENOSPC ");

    private static void AssertFailed(string[] lines, string file, string cause)
    {
        Assert.Equal(4, lines.Length);
        Assert.StartsWith(
            $"Failed: g2: RAM file '{file}' of backend 'g2' could not be had at file offset ", lines[2], StringComparison.Ordinal);
        Assert.Contains(cause, lines[2], StringComparison.Ordinal);
        AssertOthersAnswer(lines);
    }

    private static void AssertOthersAnswer(string[] lines)
    {
        Assert.Equal(4, lines.Length);
        Assert.Equal(["Running: g0: answers", "Running: g1: answers", "Running: g3: answers"], [lines[0], lines[1], lines[3]]);
    }

    /// <summary>Runs the helper to its end.</summary>
    private static string[] Run(string scenario, string folder, string option = "translated")
    {
        using Process process = Process.Start(new ProcessStartInfo(
            "dotnet", ["exec", typeof(RamFaultTests).Assembly.Location, RamFaultProgram.Argument, scenario, folder, option])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string[] lines = process.StandardOutput.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        process.WaitForExit();
        if (lines is [.., var last] && last.StartsWith("unavailable: ", StringComparison.Ordinal))
        {
            return [last];
        }

        Assert.True(process.ExitCode == 0, $"exit code {process.ExitCode} after: {string.Join(" | ", lines)} {errors.Result}");
        Assert.Equal("end", lines[^1]);
        return lines[..^1];
    }
}
