using System.Management.Automation;
using System.Management.Automation.Runspaces;
using PsVm.Module.Hosting.Logs;
using PsVm.Module.Output;

namespace PsVm.Module.Hosting;

/// <summary>
/// A cmdlet's work in the background (-AsJob): what it says is the job's, and to stop the job is to the work what Ctrl+C is.
/// </summary>
/// <remarks>
/// It is Failed when there was an error, so that one is seen in Get-Job, and Completed when there was none. It ends with the session
/// (runspace) that began it, which alone knows of it; guests that were made by then remain. Source: about_Jobs.
/// </remarks>
public sealed class GuestJob : Job
{
    private readonly CancellationTokenSource _stopping = new();
    private readonly Lock _gate = new();
    private readonly Runspace _session = Runspace.DefaultRunspace;
    private readonly JobOutput _output;
    private readonly JobRepository _jobs;
    private readonly TaskCompletionSource _stopTold = new();
    private readonly TaskCompletionSource _over = new();
    private Task _worker = Task.CompletedTask;
    private bool _isStopping;
    private bool _hasEnded;
    private bool _isTelling; // those who wait of the end
    private bool _isBack; // among the session's jobs, for one of them

    /// <summary>Makes a job that has not begun, one of the session's from now on.</summary>
    /// <param name="invocation">What the operator typed.</param>
    /// <param name="confirmations">What the operator was asked about it, and said.</param>
    /// <param name="jobs">The session's jobs.</param>
    internal GuestJob(InvocationInfo invocation, ConfirmationsAhead? confirmations, JobRepository jobs)
        : base(invocation.Line.Trim())
    {
        PSJobTypeName = nameof(GuestJob);
        _output = new JobOutput(this, invocation.MyCommand.Name, confirmations);
        _jobs = jobs;
        jobs.Add(this);
    }

    /// <inheritdoc/>
    public override bool HasMoreData =>
        Output.Count + Error.Count + Warning.Count + Verbose.Count + Debug.Count + Progress.Count + Information.Count > 0;

    /// <inheritdoc/>
    public override string Location => "localhost";

    /// <summary>How far it is, or what went wrong last.</summary>
    public override string StatusMessage => _output.Status;

    /// <summary>Gives the work up, and returns once it has undone what it was about.</summary>
    public override void StopJob()
    {
        RequestStop();
        WaitForEnd();
    }

    /// <summary>Begins the work on a thread of its own.</summary>
    /// <param name="works">The work.</param>
    /// <param name="host">Where guests live.</param>
    /// <param name="logged">The output that also logs, where that was asked for.</param>
    internal void Begin(IReadOnlyList<CmdletWork> works, IGuestHost host, Func<ICmdletOutput, ICmdletOutput> logged)
    {
        Session log = new();
        log.Attend(host);
        DateTimeOffset began = DateTimeOffset.UtcNow;
        ICmdletOutput output = logged(_output);
        SetJobState(JobState.Running);
        _session.StateChanged += StopWithSession;

        // A wait may take days: it is no work for the thread pool.
        _worker = Task.Factory.StartNew(
            () =>
            {
                JobState end = JobState.Failed;
                try
                {
                    end = Work(works, output);
                    IReadOnlyList<HostEvent> happened = log.WriteLog(host, _output, began);
                    (output as LoggedOutput)?.End(happened);
                }
                finally
                {
                    End(end);
                }
            },
            CancellationToken.None,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            // Not for those who are told of its end: Receive-Job -AutoRemoveJob is, on the worker, and waits there for the thread that is
            // here.
            RequestStop();
            WaitForWork();
            StayForOthers();
            _session.StateChanged -= StopWithSession;
            _stopping.Dispose();
        }

        base.Dispose(disposing);
    }

    private JobState Work(IReadOnlyList<CmdletWork> works, ICmdletOutput output)
    {
        try
        {
            foreach (CmdletWork work in works)
            {
                _stopping.Token.ThrowIfCancellationRequested();
                try
                {
                    work(output, _stopping.Token);
                }
                catch (PsVmException error)
                {
                    output.WriteError(error);
                }
            }
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
            return JobState.Stopped;
        }
#pragma warning disable CA1031 // Nobody is there to catch it: an operator reads it, and the process goes on.
        catch (Exception failure)
#pragma warning restore CA1031
        {
            _output.WriteError(new ErrorRecord(failure, ModuleErrorIds.JobFailed, ErrorCategory.NotSpecified, null));
        }

        return _output.HasErrors ? JobState.Failed : JobState.Completed;
    }

    // Whoever is told of a state may wait for another thread that stops or disposes the job: nobody is told under the gate.
    private void End(JobState state)
    {
        _session.StateChanged -= StopWithSession;
        bool isStopping;
        lock (_gate)
        {
            _hasEnded = true;
            isStopping = _isStopping;
        }

        if (isStopping)
        {
            _stopTold.Task.Wait(); // no state comes after the last one
        }

        lock (_gate)
        {
            _isTelling = true;
        }

        _over.SetResult();
        try
        {
            SetJobState(state);
        }
        catch (ObjectDisposedException)
        {
            // Disposed since its work was over: there is nobody to tell.
        }

        LeaveAtLast();
    }

    /// <summary>
    /// Has a job that was removed at its end be among the session's jobs as long as its end is told. Receive-Job -Wait -AutoRemoveJob
    /// removes a job that ends while it begins to wait, and once more where it is told of the end, and would say that it is not there.
    /// </summary>
    private void StayForOthers()
    {
        lock (_gate)
        {
            if (!_isTelling || Task.CurrentId == _worker.Id)
            {
                return;
            }

            try
            {
                _jobs.Add(this);
                _isBack = true;
            }
            catch (ArgumentException)
            {
                // It is there still.
            }
        }
    }

    private void LeaveAtLast()
    {
        lock (_gate)
        {
            _isTelling = false;
            if (!_isBack)
            {
                return;
            }
        }

        try
        {
            _jobs.Remove(this);
        }
        catch (ArgumentException)
        {
            // Who was told of its end has removed it.
        }
    }

    private void RequestStop()
    {
        lock (_gate)
        {
            if (_hasEnded || _isStopping)
            {
                return;
            }

            _isStopping = true;
        }

        try
        {
            SetJobState(JobState.Stopping);
        }
        finally
        {
            _stopTold.SetResult();
            _stopping.Cancel();
        }
    }

    private void WaitForWork()
    {
        if (!_worker.IsCompleted)
        {
            _over.Task.Wait();
        }
    }

    // Who hears on the worker that the job has ended may dispose it there, as Receive-Job -AutoRemoveJob does.
    private void WaitForEnd()
    {
        if (Task.CurrentId != _worker.Id)
        {
            ((IAsyncResult)_worker).AsyncWaitHandle.WaitOne();
        }
    }

    private void StopWithSession(object? sender, RunspaceStateEventArgs change)
    {
        if (change.RunspaceStateInfo.State is RunspaceState.Closing or RunspaceState.Closed or RunspaceState.Broken)
        {
            RequestStop();
        }
    }
}
