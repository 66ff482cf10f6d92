using System.Management.Automation;
using PsVm.Module.Output;

namespace PsVm.Module.Hosting;

/// <summary>The base of every cmdlet: cancellation by Ctrl+C, the host's log on the verbose stream, and work off the pipeline thread.</summary>
public abstract class PsVmCmdlet : PSCmdlet, IDisposable
{
    private readonly CancellationTokenSource _stopping = new();

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <inheritdoc/>
    protected sealed override void ProcessRecord() => Run(Bind);

    /// <inheritdoc/>
    protected sealed override void EndProcessing() => Run(BindEnd);

    /// <inheritdoc/>
    protected sealed override void StopProcessing() => _stopping.Cancel();

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

    /// <summary>A path as PowerShell means it: relative to the session's location, on its drives, wildcards taken literally.</summary>
    /// <exception cref="CmdletException">PathNotFileSystem: the path is of another provider.</exception>
    private protected string? ResolvePath(string? path)
    {
        if (string.IsNullOrEmpty(path))
        {
            return null;
        }

        string resolved = SessionState.Path.GetUnresolvedProviderPathFromPSPath(path, out ProviderInfo provider, out _);
        return provider.Name == "FileSystem"
            ? resolved
            : throw new CmdletException(
                ModuleErrorIds.PathNotFileSystem,
                $"'{path}' must name a file or directory, but it is of the provider '{provider.Name}'.",
                path,
                "Give a path of the file system, or Set-Location to one.");
    }

    private void Run(Func<CmdletWork?> bind)
    {
        PipelineOutput output = new(this);
        try
        {
            if (bind() is { } work)
            {
                DateTimeOffset began = DateTimeOffset.UtcNow;
                IGuestHost host = ModuleServices.Guests;
                Session.Current.Attend(host);
                PipelinePump.Run(work, output, _stopping.Token);
                Session.Current.WriteLog(host, output, began);
            }
        }
        catch (PsVmException error)
        {
            output.WriteError(error);
        }
    }
}
