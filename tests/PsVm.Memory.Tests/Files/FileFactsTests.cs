using Mono.Unix.Native;
using PsVm.Memory.Files;
using PsVm.Memory.Tests.Support;

namespace PsVm.Memory.Tests.Files;

/// <summary>What is known of a file is what stat(2) tells.</summary>
public sealed class FileFactsTests : BackendTest
{
    [Fact]
    public void Files_links_and_folders_are_identified_as_stat_does()
    {
        string path = Folder.File("räm", 3 * Make.Page);
        string link = Path.Combine(Folder.Path, "link");
        File.CreateSymbolicLink(link, path);
        using FileStream open = File.OpenRead(path);
        FileIdentity file = Expected(path);

        Assert.Equal(file, FileFacts.Identify(path));
        Assert.Equal(file, FileFacts.Identify(link));
        Assert.Equal(file, FileFacts.Identify((int)open.SafeFileHandle.DangerousGetHandle()));
        Assert.Equal(file, FileFacts.Of(path).Identity);
        Assert.Null(FileFacts.Identify(link, follow: false));
        Assert.Null(FileFacts.Identify(Folder.Path));
        Assert.Equal(Expected(Folder.Path), FileFacts.IdentifyAny(Folder.Path));
        Assert.Null(FileFacts.IdentifyAny(path + "x"));
        Assert.Equal(Expected("/dev/null") with { Size = 0 }, FileFacts.IdentifyAny("/dev/null"));
        Assert.Equal(FileKind.CharacterDevice, FileFacts.Of("/dev/null").Kind);
        Assert.Equal(FileKind.Directory, FileFacts.Of(Folder.Path).Kind);
    }

    private static FileIdentity Expected(string path)
    {
        Assert.Equal(0, Syscall.stat(path, out Stat stat));
        const long second = 1_000_000_000;
        return new FileIdentity(
            stat.st_dev,
            stat.st_ino,
            stat.st_size,
            (stat.st_mtime * second) + stat.st_mtime_nsec,
            (stat.st_ctime * second) + stat.st_ctime_nsec);
    }
}
