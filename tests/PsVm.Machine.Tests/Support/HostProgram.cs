using System.ComponentModel;
using System.Diagnostics;

namespace PsVm.Machine.Tests.Support;

/// <summary>Programs of this machine.</summary>
internal static class HostProgram
{
    /// <summary>What a program prints; null when it is not installed.</summary>
    public static string? Run(string program, params string[] arguments)
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
}
