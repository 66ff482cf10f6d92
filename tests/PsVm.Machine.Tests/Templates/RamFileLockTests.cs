using System.Diagnostics;
using System.Globalization;
using PsVm.Machine.Guests;
using PsVm.Memory;

namespace PsVm.Machine.Tests.Templates;

/// <summary>RAM files that another process, or clones, have mapped; see also the tests of backends.</summary>
public sealed class RamFileLockTests : TemplateTest
{
    /// <summary>The first argument that has the helper process write the RAM file at the second, until its input ends.</summary>
    public const string Argument = "write-ram-file";

    /// <summary>What the helper process does.</summary>
    internal static void HoldRamFile(string path, bool besideOthers)
    {
        using MemoryBackends backends = new(_ => null);
        using MemoryBackend writer = backends.Create(
            new MemoryBackendOptions { Path = path, Size = Memory, Share = true, AllowSharedWriters = besideOthers });
        Console.WriteLine(Program.Ready);
        Console.In.ReadToEnd();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void What_another_process_writes_is_refused_and_the_process_named(bool share)
    {
        MemoryBackendOptions wanted = new() { Path = At("ram"), Size = Memory, Share = share };
        using (Process writer = StartWriter(besideOthers: false))
        {
            BackendReport report = Backends.Test(wanted);
            MemoryBackendException error = Assert.Throws<MemoryBackendException>(() => Backends.Create(wanted));
            Assert.Equal(MemoryErrorIds.RamFileInUse, error.ErrorId);
            Assert.Contains(string.Create(CultureInfo.InvariantCulture, $"process {writer.Id} "), error.Message, StringComparison.Ordinal);
            Assert.Equal([(error.ErrorId, error.Message)], report.Errors.Select(e => (e.Id, e.Message)));
            using (MemoryBackend warned = Backends.Create(wanted with { AllowSharedWriters = true }))
            {
                Assert.Equal(MemoryWarningIds.SharedWriters, warned.Outcome.Warnings[0].Id);
            }

            writer.StandardInput.Close();
            writer.WaitForExit();
        }

        Backends.Create(wanted).Dispose();
    }

    [Fact]
    public void A_file_that_another_process_writes_beside_the_guest_is_not_taken_over_and_the_process_named()
    {
        MemoryBackendOptions ram = new() { Id = "ram", Path = At("ram"), Size = Memory, Share = true };
        Backends.Create(ram);
        string guest = Boot(new GuestOptions { BackendIds = ["ram"] });
        CheckpointOptions options = new() { Path = At("t"), UseRamFile = true };
        using (Process writer = StartWriter(besideOthers: true))
        {
            GuestException error = Assert.Throws<GuestException>(() => Make(guest, options));
            Assert.Equal(GuestErrorIds.CheckpointRamNotShared, error.ErrorId);
            Assert.Contains(
                string.Create(CultureInfo.InvariantCulture, $"process {writer.Id} writes to it too"),
                error.Message,
                StringComparison.Ordinal);
            Assert.False(Directory.Exists(options.Path));
            Check(guest);

            // It goes on to write when the guest, whose lock it came beside, is gone.
            End(guest);
            Backends.TryGet("ram")!.Dispose();
            Assert.Equal(
                MemoryErrorIds.RamFileInUse,
                Assert.Throws<MemoryBackendException>(() => Backends.Create(ram with { Share = false })).ErrorId);
            Assert.Equal(MemoryErrorIds.RamFileInUse, Assert.Single(Backends.Test(ram).Errors).Id);
            writer.StandardInput.Close();
            writer.WaitForExit();
        }

        Backends.Create(ram);
        Make(Boot(new GuestOptions { BackendIds = ["ram"] }), options);
    }

    private Process StartWriter(bool besideOthers)
    {
        Process writer = Process.Start(new ProcessStartInfo(
            "dotnet", ["exec", typeof(RamFileLockTests).Assembly.Location, Argument, At("ram"), besideOthers.ToString()])
            { RedirectStandardInput = true, RedirectStandardOutput = true })!;
        Assert.Equal(Program.Ready, writer.StandardOutput.ReadLine());
        return writer;
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_file_that_clones_map_has_no_writer(bool useRamFile)
    {
        Backends.Create(new MemoryBackendOptions { Id = "ram", Path = At("ram"), Size = Memory, Share = true });
        string guest = Boot(new GuestOptions { BackendIds = ["ram"] });
        GuestTemplate template = Make(guest, new CheckpointOptions { Path = At("t"), UseRamFile = useRamFile });
        string file = template.RamBlocks[0].File;
        MemoryBackendOptions writer = new() { Path = file, Size = Memory, Share = true };
        string clone = Clone(template);

        // The file is read-only; who may write all the same, as root, is who is refused.
        File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        Assert.Equal(MemoryErrorIds.RamFileInUse, Assert.Throws<MemoryBackendException>(() => Backends.Create(writer)).ErrorId);
        Check(clone);
    }
}
