using System.Diagnostics;
using PsVm.Machine.Guests;
using PsVm.Memory;

namespace PsVm.Benchmarks;

/// <summary>
/// A folder that virtiofsd shares with a Linux guest, here and in QEMU in turn, by the same daemon: long files, and many small ones.
/// </summary>
internal static class VhostCommand
{
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(5);

    /// <summary>Prints a table of medians; the runs go to standard error as they end.</summary>
    public static void Vhost(string[] words)
    {
        Arguments arguments = new(words);
        string kernel = arguments.Text("--kernel"), initrd = arguments.Text("--initrd");
        string daemon = arguments.TextOrNull("--virtiofsd") ?? "/usr/lib/qemu/virtiofsd";
        string? qemu = arguments.TextOrNull("--qemu");
        int runs = arguments.Number("-n", 3), megabytes = arguments.Number("--size", 64), files = arguments.Number("--files", 500);
        arguments.Done();

        string script = FolderWork.Script("/mnt", ["mkdir -p /mnt", "mount -t virtiofs src /mnt"], megabytes, files);
        FolderWork.Compare(
            runs,
            qemu is null ? null : folder => RunQemu(qemu, daemon, kernel, initrd, folder, script),
            folder => RunHere(daemon, kernel, initrd, folder, script));
    }

    private static string RunHere(string daemon, string kernel, string initrd, string folder, string script)
    {
        const string name = "guest";
        using MemoryBackends backends = new();
        using GuestHost host = new(backends);
        backends.Create(new MemoryBackendOptions { Id = "ram", Kind = BackendKind.Memfd, Share = true, Size = 256 << 20 });
        host.Start(
            new GuestOptions
            {
                Name = name, BackendIds = ["ram"], Kernel = kernel, Initrd = initrd, CommandLine = "console=ttyS0 quiet",
                VhostUser = [
                    new GuestVhostUserOptions
                    {
                        Kind = VhostUserKind.FileSystem, Tag = "src", Path = Path.Combine(folder, "shared"), Daemon = daemon,
                    }],
            },
            CancellationToken.None);
        return FolderWork.Run(host, name, script);
    }

    private static string RunQemu(string qemu, string daemon, string kernel, string initrd, string folder, string script)
    {
        string socket = Path.Combine(folder, "socket");
        using Process files = Process.Start(new ProcessStartInfo(
            daemon, [$"--socket-path={socket}", "-o", $"source={Path.Combine(folder, "shared")}"])
        {
            RedirectStandardError = true,
        })!;
        SpinWait.SpinUntil(() => File.Exists(socket), s_patience);
        try
        {
            return FolderWork.RunQemu(
                qemu,
                kernel,
                initrd,
                [
                    "-machine", "virt,memory-backend=ram", "-object", "memory-backend-memfd,id=ram,share=on,size=256M",
                    "-chardev", $"socket,id=fs,path={socket}", "-device", "vhost-user-fs-device,chardev=fs,tag=src,queue-size=1024",
                ],
                script);
        }
        finally
        {
            files.Kill(entireProcessTree: true);
            files.WaitForExit();
        }
    }
}
