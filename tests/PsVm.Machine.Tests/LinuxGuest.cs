using System.Buffers.Binary;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using PsVm.Machine.Tests.Support;

namespace PsVm.Machine.Tests;

/// <summary>Debian's kernel and our initramfs, as tests/guests/get-linux.sh makes them.</summary>
/// <param name="Kernel">Path of the flat Image.</param>
/// <param name="Initrd">Path of the initramfs.</param>
internal sealed record LinuxGuest(string Kernel, string Initrd)
{
    /// <summary>The repository's root.</summary>
    public static readonly string Repository = Path.GetFullPath(Path.Combine(SourceFolder(), "../.."));

    private static readonly Lazy<(LinuxGuest? Guest, string Missing)> Made = new(Make);

    /// <summary>Guest physical address behind the kernel, with all the memory that it takes for its data.</summary>
    public ulong KernelEnd
    {
        get
        {
            using FileStream image = File.OpenRead(Kernel);
            Span<byte> header = stackalloc byte[64];
            image.ReadExactly(header);
            return BootFile.KernelStart + BinaryPrimitives.ReadUInt64LittleEndian(header[16..]);
        }
    }

    /// <summary>Path of a build of OpenSBI; skips the test where the folder was made without it.</summary>
    public string FirmwareOrSkip(string name)
    {
        string path = Path.Combine(Path.GetDirectoryName(Kernel)!, name);
        Skip.IfNot(File.Exists(path), $"no {path}: tests/guests/get-linux.sh fetches it");
        return path;
    }

    /// <summary>
    /// The guest in the folder that PSVM_LINUX_GUEST names, else one made in <c>output/linux-guest</c>; skips the test without it.
    /// </summary>
    public static LinuxGuest GetOrSkip()
    {
        Skip.If(Made.Value.Guest is null, Made.Value.Missing);
        return Made.Value.Guest!;
    }

    private static (LinuxGuest? Guest, string Missing) Make()
    {
        string? named = Environment.GetEnvironmentVariable("PSVM_LINUX_GUEST");
        string folder = named ?? Path.Combine(Repository, "output/linux-guest");
        string why = named is null ? RunScript(folder) : "tests/guests/get-linux.sh makes one";
        var guest = new LinuxGuest(Path.Combine(folder, "Image"), Path.Combine(folder, "initramfs.cpio"));
        return File.Exists(guest.Kernel) && File.Exists(guest.Initrd) ? (guest, "") : (null, $"no Linux guest in {folder}: {why}");
    }

    /// <summary>What the script says went wrong; empty when nothing did.</summary>
    private static string RunScript(string folder)
    {
        string script = Path.Combine(Repository, "tests/guests/get-linux.sh");
        using Process process = Process.Start(new ProcessStartInfo(script, [folder]) { RedirectStandardError = true })!;
        string errors = process.StandardError.ReadToEnd();
        process.WaitForExit();
        return errors.Trim();
    }

    private static string SourceFolder([CallerFilePath] string path = "") => Path.GetDirectoryName(path)!;
}
