using System.ComponentModel;
using System.Diagnostics;

namespace PsVm.Benchmarks;

/// <summary>What processes have taken of the CPUs.</summary>
internal static class ProcessCpu
{
    /// <summary>CPU time of all of its threads until now; 0 where it has ended meanwhile.</summary>
    public static TimeSpan Of(Process process)
    {
        try
        {
            process.Refresh();
            return process.TotalProcessorTime;
        }
        catch (Exception gone) when (gone is InvalidOperationException or Win32Exception)
        {
            return TimeSpan.Zero;
        }
    }
}
