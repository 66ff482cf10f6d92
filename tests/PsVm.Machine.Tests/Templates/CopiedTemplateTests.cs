using System.Diagnostics;
using PsVm.Machine.Templates;
using PsVm.Memory;
using PsVm.Memory.Tests.Support;

namespace PsVm.Machine.Tests.Templates;

/// <summary>A template that was copied is the same: its content is read once, and then known by the file.</summary>
public sealed class CopiedTemplateTests : TemplateTest
{
    private const int Clones = 5;

    [Fact]
    public void A_copy_is_read_once_and_starts_without_Verify_from_then_on()
    {
        GuestTemplate template = MakeTemplate("t");
        string check = StartAll(template, timesRead: 0);
        Copy(template.Path, At("u"));
        GuestTemplates.Remove(template.Path);

        Assert.Equal(check, StartAll(GuestTemplates.Read(At("u")), timesRead: 1));
        Assert.Empty(GuestTemplates.Test(At("u")).Errors);
    }

    [Fact]
    public void A_template_that_was_only_touched_or_given_other_permissions_is_the_same()
    {
        GuestTemplate template = MakeTemplate("t");
        string file = template.RamBlocks[0].File;
        File.SetLastWriteTimeUtc(file, DateTime.UnixEpoch);
        StartAll(template, timesRead: 1);

        File.SetUnixFileMode(file, UnixFileMode.UserRead);
        StartAll(template, timesRead: 1);
    }

    [Fact]
    public void A_copy_that_was_altered_after_it_was_read_is_refused()
    {
        GuestTemplate template = MakeTemplate("t");
        Copy(template.Path, At("u"));
        GuestTemplate copy = GuestTemplates.Read(At("u"));
        StartAll(copy, timesRead: 1);

        Alter(copy.RamBlocks[0].File);
        Assert.Equal(GuestErrorIds.TemplateRamChanged, ErrorOf(() => Clone(copy)));
        Assert.Equal(GuestErrorIds.TemplateRamChanged, Assert.Single(GuestTemplates.Test(copy.Path).Errors).Id);
        Check(Clone(template));
    }

    [SkippableFact]
    public void A_copy_on_a_read_only_file_system_starts()
    {
        using TestFolder folder = new();
        using Mounted mount = PsVm.Memory.Tests.Support.Host.Mount(folder, "tmpfs");
        try
        {
            GuestTemplate template = MakeTemplate("t");
            Copy(template.Path, mount.In("u"));
            Run("mount", "-o", "remount,ro", Path.GetDirectoryName(mount.In("u"))!);

            StartAll(GuestTemplates.Read(mount.In("u")), timesRead: 1);
        }
        finally
        {
            Host.Dispose(); // before its RAM is unmounted
            Backends.Dispose();
        }
    }

    [Fact]
    public void The_digest_does_not_depend_on_holes()
    {
        GuestTemplate template = MakeTemplate("t");
        string file = template.RamBlocks[0].File;
        Run("cp", "--sparse=never", file, At("full"));
        Run("cp", "--sparse=always", file, At("sparse"));

        Assert.Matches("^[0-9a-f]{64}$", template.RamBlocks[0].Digest!);
        Assert.All([file, At("full"), At("sparse")], copy => Assert.Equal(template.RamBlocks[0].Digest, DigestOf(copy)));
        File.AppendAllText(At("full"), "\0");
        Assert.NotEqual(template.RamBlocks[0].Digest, DigestOf(At("full")));

        static string DigestOf(string path)
        {
            using Microsoft.Win32.SafeHandles.SafeFileHandle open = File.OpenHandle(path);
            return PsVm.Memory.Copying.RamDigest.Of(open);
        }
    }

    private string StartAll(GuestTemplate template, int timesRead)
    {
        string check = string.Empty;
        for (int i = 0; i < Clones; i++)
        {
            string clone = Clone(template);
            check = Check(clone);
            End(clone);
        }

        TemplateRamBlock block = template.RamBlocks[0];
        Assert.Equal(timesRead, VerifiedFiles.TimesRead(MemoryBackends.Identify(block.File)!.Value, block.Digest!));
        return check;
    }

    private static void Copy(string from, string to) => Run("cp", "-a", from, to);

    private static void Run(string program, params string[] arguments)
    {
        using Process process = Process.Start(program, arguments);
        process.WaitForExit();
        Assert.Equal(0, process.ExitCode);
    }
}
