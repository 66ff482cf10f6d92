using System.ComponentModel;
using System.Diagnostics;
using System.Reflection;
using System.Runtime.CompilerServices;

namespace PsVm.Machine.Tests;

public class EmbeddedGuestTests
{
    private const string Compiler = "riscv64-linux-gnu-gcc";

    [SkippableFact]
    public void The_embedded_guest_is_built_from_its_source()
    {
        string? version = Run(Compiler, "-dumpfullversion")?.Trim();
        Skip.If(version is null, $"{Compiler} is not installed");
        Skip.IfNot(version!.StartsWith("12.", StringComparison.Ordinal), $"the committed binary comes from gcc 12, this is gcc {version}");

        string built = Path.Combine(Path.GetTempPath(), $"psvm-embedded-guest-{Guid.NewGuid():N}.elf");
        try
        {
            Assert.NotNull(Run("sh", Path.Combine(SourceFolder(), "../guests/embedded/build.sh"), built));
            Assert.Equal(Committed(), File.ReadAllBytes(built));
        }
        finally
        {
            File.Delete(built);
        }
    }

    private static byte[] Committed()
    {
        using Stream stream = Assembly.Load("PsVm.Machine").GetManifestResourceStream("PsVm.Machine.EmbeddedGuest.elf")!;
        using var bytes = new MemoryStream();
        stream.CopyTo(bytes);
        return bytes.ToArray();
    }

    /// <summary>What a program prints; null when it is not installed.</summary>
    private static string? Run(string program, params string[] arguments)
    {
        try
        {
            using Process process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true })!;
            string output = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            Assert.Equal(0, process.ExitCode);
            return output;
        }
        catch (Win32Exception)
        {
            return null;
        }
    }

    private static string SourceFolder([CallerFilePath] string path = "") => Path.GetDirectoryName(path)!;
}
