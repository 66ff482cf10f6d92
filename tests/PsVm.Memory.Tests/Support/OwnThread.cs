using System.Runtime.ExceptionServices;

namespace PsVm.Memory.Tests.Support;

/// <summary>For what changes a thread for good: filters, and whose file accesses it makes.</summary>
internal static class OwnThread
{
    /// <summary>Runs on a thread of its own, to its end; what is thrown there is thrown here.</summary>
    public static void Run(Action action)
    {
        ExceptionDispatchInfo? failure = null;
        Thread thread = new(() =>
        {
            try
            {
                action();
            }
            catch (Exception exception)
            {
                failure = ExceptionDispatchInfo.Capture(exception);
            }
        });
        thread.Start();
        thread.Join();
        failure?.Throw();
    }
}
