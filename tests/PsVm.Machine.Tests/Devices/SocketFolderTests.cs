using Microsoft.Win32.SafeHandles;
using Mono.Unix.Native;
using PsVm.Machine.Devices;
using PsVm.Memory.Native;
using PsVm.Memory.Tests.Support;

namespace PsVm.Machine.Tests.Devices;

/// <summary>Folders for sockets: this user's alone, held while they are used, and swept when they were left.</summary>
public sealed class SocketFolderTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void One_is_its_users_alone_and_goes_with_what_is_in_it()
    {
        SocketFolder folder = SocketFolder.Make();
        string path = folder.Path;
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(path));
        File.WriteAllText(Path.Combine(path, "left"), "");

        SocketFolder.Sweep(Path.GetDirectoryName(path)!);
        Assert.True(File.Exists(Path.Combine(path, "left")));
        folder.Dispose();
        Assert.False(Directory.Exists(path));
    }

    [Fact]
    public void What_nobody_holds_is_swept_and_nothing_else()
    {
        string left = Make("psvm-run-AbCdEf"), held = Make("psvm-run-000000"), deep = Make("psvm-run-111111/folder");
        string[] others = [Make("psvm-run-"), Make("psvm-run-toolong"), Make("psvm-run-short"), Make("other"), Make("elsewhere")];
        Directory.CreateSymbolicLink(At("psvm-run-linked"[..15]), At("elsewhere"));
        File.WriteAllText(At("psvm-run-file00"), "a file");
        using SafeFileHandle holder = Open(held);
        Assert.Equal(0, KernelCalls.Lock((int)holder.DangerousGetHandle()));

        SocketFolder.Sweep(_folder.Path);

        Assert.False(Directory.Exists(left));
        Assert.All([.. others, held], path => Assert.True(File.Exists(Path.Combine(path, "socket")), path));
        Assert.True(Directory.Exists(deep)); // nobody of ours makes such a one
        Assert.True(File.Exists(At("psvm-run-file00")));
        holder.Dispose();
        SocketFolder.Sweep(_folder.Path);
        Assert.False(Directory.Exists(held)); // as when its process was killed
        SocketFolder.Sweep(At("none"));
    }

    [SkippableFact]
    public void That_of_another_user_stays()
    {
        Skip.If(Syscall.geteuid() != 0, "only root can give folders away");
        string others = Make("psvm-run-others"[..15]);
        Assert.Equal(0, Syscall.chown(others, 65534, 65534));

        SocketFolder.Sweep(_folder.Path);

        Assert.True(File.Exists(Path.Combine(others, "socket")));
    }

    [Fact]
    public async Task Who_makes_one_has_it_whoever_sweeps_meanwhile()
    {
        string temporary = Path.GetTempPath();
        using CancellationTokenSource over = new();
        Task[] sweeps = [.. Enumerable.Range(0, 2).Select(_ => Task.Run(() =>
        {
            while (!over.IsCancellationRequested)
            {
                SocketFolder.Sweep(temporary);
            }
        }))];
        for (int i = 0; i < 500; i++)
        {
            using SocketFolder folder = SocketFolder.Make();
            await File.WriteAllTextAsync(Path.Combine(folder.Path, "socket"), "");
            Assert.True(File.Exists(Path.Combine(folder.Path, "socket")));
        }

        await over.CancelAsync();
        await Task.WhenAll(sweeps);
    }

    private static SafeFileHandle Open(string path) =>
        new(Syscall.open(path, OpenFlags.O_RDONLY | OpenFlags.O_DIRECTORY | OpenFlags.O_CLOEXEC), ownsHandle: true);

    private string At(string name) => Path.Combine(_folder.Path, name);

    private string Make(string name)
    {
        Directory.CreateDirectory(At(name));
        File.WriteAllText(Path.Combine(At(name), "socket"), "");
        return At(name);
    }
}
