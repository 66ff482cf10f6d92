using PsVm.Machine.Guests;
using PsVm.Memory;

namespace PsVm.Benchmarks;

/// <summary>A folder that a Linux guest shares by 9P, here and in QEMU in turn: long files, and many small ones.</summary>
internal static class SharedFolderCommand
{
    /// <summary>Prints a table of medians; the runs go to standard error as they end.</summary>
    public static void SharedFolder(string[] words)
    {
        Arguments arguments = new(words);
        string kernel = arguments.Text("--kernel"), initrd = arguments.Text("--initrd");
        string? qemu = arguments.TextOrNull("--qemu");
        int runs = arguments.Number("-n", 3), megabytes = arguments.Number("--size", 64), files = arguments.Number("--files", 500);
        arguments.Done();

        string script = FolderWork.Script("/mnt/src", [], megabytes, files); // the guest's init mounts it
        FolderWork.Compare(
            runs,
            qemu is null ? null : folder => FolderWork.RunQemu(
                qemu,
                kernel,
                initrd,
                [
                    "-machine", "virt", "-fsdev", $"local,id=fs,path={Path.Combine(folder, "shared")},security_model=none",
                    "-device", "virtio-9p-device,fsdev=fs,mount_tag=src",
                ],
                script),
            folder => RunHere(kernel, initrd, folder, script));
    }

    private static string RunHere(string kernel, string initrd, string folder, string script)
    {
        const string name = "guest";
        using MemoryBackends backends = new();
        using GuestHost host = new(backends);
        host.Start(
            new GuestOptions
            {
                Name = name, Memory = 256 << 20, Kernel = kernel, Initrd = initrd, CommandLine = "console=ttyS0 quiet",
                SharedFolders = [new GuestSharedFolderOptions { Tag = "src", Path = Path.Combine(folder, "shared") }],
            },
            CancellationToken.None);
        return FolderWork.Run(host, name, script);
    }
}
