using System.ComponentModel;
using System.Diagnostics;

namespace PsVm.Machine.Tests.Support;

/// <summary>ip(8), which makes and removes network devices.</summary>
internal static class IpCommand
{
    /// <summary>Runs it; an exit code of -1 says that it is not installed.</summary>
    public static (int ExitCode, string Said) Run(params string[] words)
    {
        try
        {
            using Process ip = Process.Start(new ProcessStartInfo("ip", words) { RedirectStandardError = true })!;
            string said = ip.StandardError.ReadToEnd();
            ip.WaitForExit();
            return (ip.ExitCode, said);
        }
        catch (Win32Exception missing)
        {
            return (-1, missing.Message);
        }
    }
}
