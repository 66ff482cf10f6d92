using System.Management.Automation;
using PsVm.Module.Output;

namespace PsVm.Module.Hosting;

/// <summary>Runs a cmdlet's work on a worker while the pipeline thread writes what the worker posts.</summary>
/// <remarks>PowerShell allows Write* and ShouldProcess on the pipeline thread only, and that thread must stay free to be stopped.</remarks>
internal static class PipelinePump
{
    /// <summary>Runs the work to its end; an error of the core that escapes it is written as this item's error.</summary>
    /// <exception cref="PipelineStoppedException">The operator stopped the pipeline.</exception>
    public static void Run(CmdletWork work, ICmdletOutput pipeline, CancellationToken stopping)
    {
        using CancellationTokenSource cancel = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        QueuedOutput queue = new(cancel.Token, pipeline.Confirmation);
        Task worker = Task.Run(() => Work(work, queue, cancel.Token), CancellationToken.None);
        try
        {
            queue.DrainTo(pipeline);
        }
        catch
        {
            // The pipeline wants no more (Ctrl+C, Select-Object -First): let the worker undo what it holds before going.
            cancel.Cancel();
            ((IAsyncResult)worker).AsyncWaitHandle.WaitOne();
            throw;
        }

        try
        {
            worker.GetAwaiter().GetResult();
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            throw new PipelineStoppedException();
        }
    }

    private static void Work(CmdletWork work, QueuedOutput queue, CancellationToken cancellation)
    {
        try
        {
            work(queue, cancellation);
        }
        catch (PsVmException error)
        {
            queue.WriteError(error);
        }
        finally
        {
            queue.Close();
        }
    }
}
