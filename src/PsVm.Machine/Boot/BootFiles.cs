using System.Reflection;
using Mono.Unix.Native;
using PsVm.Machine.Board;
using PsVm.Riscv.Memory;

namespace PsVm.Machine.Boot;

/// <summary>The files that a guest boots from, open and recognised, so that a wrong one is told before any RAM is made.</summary>
internal sealed class BootFiles : IDisposable
{
    private const string EmbeddedGuest = "embedded guest";
    private const string EmbeddedGuestResource = "PsVm.Machine.EmbeddedGuest.elf";

    private readonly Stream? _kernelFile;
    private readonly Stream? _firmwareFile;

    /// <summary>Files that are open; they become its own.</summary>
    /// <exception cref="GuestException">One is not what it should be.</exception>
    internal BootFiles(Stream? kernelFile, Stream? firmwareFile, Stream? initrd, GuestOptions options)
    {
        if (options.CommandLine?.IndexOf('\0') is int nul and >= 0)
        {
            throw new GuestException(
                GuestErrorIds.CommandLineInvalid,
                $"Expected a command line without NUL characters, found one at position {nul}.",
                options.Name,
                "Take it out: the kernel would not see what follows.");
        }

        (_kernelFile, _firmwareFile, Initrd, InitrdName) = (kernelFile, firmwareFile, initrd, options.Initrd);
        Kernel = kernelFile is null ? null : BootImage.ReadKernel(kernelFile, options.Kernel ?? EmbeddedGuest);
        Firmware = firmwareFile is null ? null : BootImage.ReadFirmware(firmwareFile, options.Firmware!);
        Name = Path.GetFileName((Kernel ?? Firmware)!.Name);
    }

    /// <summary>What boots, for people.</summary>
    public string Name { get; }

    /// <summary>The kernel; null: firmware alone.</summary>
    public BootImage? Kernel { get; }

    /// <summary>The machine-mode firmware; null: the built-in SBI.</summary>
    public BootImage? Firmware { get; }

    /// <summary>The initial RAM disk; null: none.</summary>
    public Stream? Initrd { get; }

    /// <summary>The initial RAM disk's path.</summary>
    public string? InitrdName { get; }

    /// <summary>Bytes that go from the files to RAM.</summary>
    public long Size => (Firmware?.FileSize ?? 0) + (Kernel?.FileSize ?? 0) + (Initrd?.Length ?? 0);

    /// <summary>Opens and recognises what the options name; without kernel and firmware, the embedded guest.</summary>
    /// <exception cref="GuestException">A file cannot be had, or is not what it should be.</exception>
    public static BootFiles Open(GuestOptions options)
    {
        if (options is { Initrd: not null, Kernel: null })
        {
            throw new GuestException(
                GuestErrorIds.InitrdWithoutKernel, "Expected a kernel with the initrd, found none.", options.Initrd, "Give a kernel too.");
        }

        List<Stream> opened = [];
        try
        {
            return new BootFiles(
                options is { Kernel: null, Firmware: null } ? Keep(OpenEmbeddedGuest()) : OpenFile(options.Kernel, BootRole.Kernel),
                OpenFile(options.Firmware, BootRole.Firmware),
                OpenFile(options.Initrd, BootRole.Initrd),
                options);
        }
        catch
        {
            opened.ForEach(stream => stream.Dispose());
            throw;
        }

        Stream? OpenFile(string? path, BootRole role) => path is null ? null : Keep(BootFiles.OpenFile(path, role));

        Stream Keep(Stream stream)
        {
            opened.Add(stream);
            return stream;
        }
    }

    /// <summary>Puts kernel and firmware in guest memory.</summary>
    /// <param name="memory">The guest's.</param>
    /// <param name="loaded">Told of each piece of a file, by its bytes; may throw.</param>
    /// <exception cref="GuestException">A file cannot be read, or the RAM cannot be written.</exception>
    public void Load(PhysicalMemory memory, Action<int> loaded)
    {
        Firmware?.Load(_firmwareFile!, memory, loaded);
        Kernel?.Load(_kernelFile!, memory, loaded);
    }

    public void Dispose()
    {
        _kernelFile?.Dispose();
        _firmwareFile?.Dispose();
        Initrd?.Dispose();
    }

    private static Stream OpenEmbeddedGuest() => Assembly.GetExecutingAssembly().GetManifestResourceStream(EmbeddedGuestResource)!;

    private static FileStream OpenFile(string path, BootRole role)
    {
        if (Syscall.stat(path, out Stat status) != 0)
        {
            Errno errno = Stdlib.GetLastError();
            throw errno is Errno.ENOENT or Errno.ENOTDIR
                ? new GuestException(role.NotFoundId, $"Expected a {role.Noun} at '{path}', found no such file.", path)
                : role.Unreadable(path, Stdlib.strerror(errno));
        }

        // Opening a FIFO would wait for its writer.
        if ((status.st_mode & FilePermissions.S_IFMT) != FilePermissions.S_IFREG)
        {
            throw role.Unreadable(path, "not a regular file");
        }

        try
        {
            // Unbuffered: what is read goes straight to guest RAM.
            return new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            throw role.Unreadable(path, cause.Message, cause);
        }
    }
}
