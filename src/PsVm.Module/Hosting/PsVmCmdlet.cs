using System.Management.Automation;
using PsVm.Module.Hosting.Logs;
using PsVm.Module.Output;

namespace PsVm.Module.Hosting;

/// <summary>
/// The base of every cmdlet: cancellation by Ctrl+C, the host's log on the verbose stream and in a file, and work off the pipeline thread.
/// </summary>
public abstract class PsVmCmdlet : PSCmdlet, IDisposable
{
    private readonly CancellationTokenSource _stopping = new();
    private HashSet<string> _onCommandLine = [];
    private readonly List<CmdletWork> _jobWorks = [];
    private PipelineOutput? _output;
    private LogFile? _log;

    /// <summary>The file that what is done, errors, warnings, and what happens to guests are appended to, a JSON object a line.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? LogPath { get; set; }

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <inheritdoc/>
    /// <remarks>A log that cannot be written ends the cmdlet before it does anything.</remarks>
    protected sealed override void BeginProcessing()
    {
        _onCommandLine = [.. MyInvocation.BoundParameters.Keys];
        SessionViews.Load(MyInvocation.MyCommand.Module);
        _output = new PipelineOutput(this);
        try
        {
            _log = ResolvePath(LogPath) is { } path ? LogFile.Open(path, create: _output.Confirmation != Confirmation.WhatIf) : null;
        }
        catch (CmdletException error)
        {
            ThrowTerminatingError(PipelineOutput.ToRecord(error));
        }
    }

    /// <inheritdoc/>
    protected sealed override void ProcessRecord() => Run(Bind);

    /// <inheritdoc/>
    protected sealed override void EndProcessing()
    {
        Run(BindEnd);
        if (_jobWorks.Count > 0)
        {
            BeginJob(_output!);
        }
    }

    /// <inheritdoc/>
    protected sealed override void StopProcessing() => _stopping.Cancel();

    /// <summary>The work on all input is to be done in the background, by a job that is the only output.</summary>
    private protected virtual bool IsAsJob => false;

    /// <summary>What happens to the guests that the cmdlet gives is logged, too, as long as they are.</summary>
    private protected virtual bool LogsLives => false;

    /// <summary>Turns the parameters of this input item into values; runs on the pipeline thread.</summary>
    /// <returns>The work on those values, which runs on a worker; null when it waits for the end of the input.</returns>
    private protected abstract CmdletWork? Bind();

    /// <summary>Called after the last input item; what is done for all of them at once.</summary>
    /// <returns>The work, which runs on a worker; null: there is none.</returns>
    private protected virtual CmdletWork? BindEnd() => null;

    /// <summary>Releases what the cmdlet holds.</summary>
    /// <param name="disposing">Called by <see cref="Dispose()"/>.</param>
    protected virtual void Dispose(bool disposing)
    {
        if (disposing)
        {
            _stopping.Dispose();
        }
    }

    /// <summary>A parameter stood on the command line: it is the same for every input item.</summary>
    private protected bool IsOnCommandLine(string parameter) => _onCommandLine.Contains(parameter);

    /// <summary>A parameter stood on the command line, or this input item has it.</summary>
    private protected bool IsGiven(string parameter) => MyInvocation.BoundParameters.ContainsKey(parameter);

    /// <summary>A path as PowerShell means it: relative to the session's location, on its drives, wildcards taken literally.</summary>
    /// <exception cref="CmdletException">
    /// PathNotFileSystem: the path is of another provider, or of none. PathInvalid: no file system has such a path.
    /// </exception>
    private protected string? ResolvePath(string? path)
    {
        if (string.IsNullOrEmpty(path))
        {
            return null;
        }

        if (path.Contains('\0', StringComparison.Ordinal))
        {
            throw new CmdletException(
                ModuleErrorIds.PathInvalid, $"'{VisibleText.Of(path)}' must name a file or directory, but it holds a NUL character.", path);
        }

        try
        {
            string resolved = SessionState.Path.GetUnresolvedProviderPathFromPSPath(path, out ProviderInfo provider, out _);
            return provider.Name == "FileSystem" ? resolved : throw NotFileSystem($"it is of the provider '{provider.Name}'");
        }
        catch (Exception failure) when (failure is SessionStateException or ProviderInvocationException or PSNotSupportedException)
        {
            // An unknown drive or provider ends only this item.
            throw NotFileSystem(failure.Message);
        }

        CmdletException NotFileSystem(string found) => new(
            ModuleErrorIds.PathNotFileSystem,
            $"'{VisibleText.Of(path)}' must name a file or directory, but {found.TrimEnd('.')}.",
            path,
            "Give a path of the file system, or Set-Location to one.");
    }

    /// <summary>Disks with their paths as PowerShell means them.</summary>
    /// <exception cref="CmdletException">As of <see cref="ResolvePath"/>.</exception>
    private protected GuestDiskOptions[] ResolvePaths(GuestDiskOptions[] disks) =>
        Array.ConvertAll(disks, disk => disk with { Path = ResolvePath(disk.Path)!, OverlayPath = ResolvePath(disk.OverlayPath) });

    /// <summary>Shared folders with their paths as PowerShell means them.</summary>
    /// <exception cref="CmdletException">As of <see cref="ResolvePath"/>.</exception>
    private protected GuestSharedFolderOptions[] ResolvePaths(GuestSharedFolderOptions[] folders) =>
        Array.ConvertAll(folders, folder => folder with { Path = ResolvePath(folder.Path)! });

    /// <summary>The paths that match a pattern, as PowerShell means it; none when nothing does.</summary>
    private protected IEnumerable<string> ExpandPath(string pattern)
    {
        try
        {
            return SessionState.Path.GetResolvedProviderPathFromPSPath(pattern, out _);
        }
        catch (Exception failure) when (failure is ItemNotFoundException or WildcardPatternException)
        {
            return [];
        }
    }

    private void Run(Func<CmdletWork?> bind)
    {
        PipelineOutput output = _output!;
        ICmdletOutput logged = Logged(output);
        try
        {
            if (bind() is { } work)
            {
                if (IsAsJob && output.Confirmation != Confirmation.WhatIf)
                {
                    _jobWorks.Add(work);
                    return;
                }

                Perform(work);
            }
        }
        catch (PsVmException error)
        {
            logged.WriteError(error);
        }
    }

    /// <summary>Does work on a worker, now, and tells what happened to guests meanwhile; runs on the pipeline thread.</summary>
    private protected void Perform(CmdletWork work)
    {
        PipelineOutput output = _output!;
        ICmdletOutput logged = Logged(output);
        DateTimeOffset began = DateTimeOffset.UtcNow;
        IGuestHost host = ModuleServices.Guests;
        Session.Current.Attend(host);
        PipelinePump.Run(work, logged, _stopping.Token);
        IReadOnlyList<HostEvent> happened = Session.Current.WriteLog(host, output, began);
        ModuleServices.GuestLogs.Look();
        (logged as LoggedOutput)?.End(happened);
    }

    // What would be done is not logged.
    private ICmdletOutput Logged(ICmdletOutput output) => _log is null || _output!.Confirmation == Confirmation.WhatIf
        ? output
        : new LoggedOutput(output, _log, MyInvocation.MyCommand.Name, LogsLives, ModuleServices.Guests, ModuleServices.GuestLogs);

    // Nobody can be asked in the background, so everything is asked before.
    private void BeginJob(PipelineOutput output)
    {
        ConfirmationsAhead? confirmations = null;
        if (output.Confirmation != Confirmation.None)
        {
            confirmations = new ConfirmationsAhead(output);
            foreach (CmdletWork work in _jobWorks)
            {
                PipelinePump.Run(work, confirmations, _stopping.Token);
            }

            if (confirmations.IsRefused)
            {
                foreach (PsVmException error in confirmations.Errors)
                {
                    output.WriteError(error);
                }

                return;
            }
        }

        GuestJob job = new(MyInvocation, confirmations, JobRepository);
        job.Begin(_jobWorks, ModuleServices.Guests, Logged);
        WriteObject(job);
    }
}
