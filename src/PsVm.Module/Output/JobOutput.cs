using System.Management.Automation;

namespace PsVm.Module.Output;

/// <summary>
/// The output of work that is done in the background: the streams of a job, which keep what was said until it is received.
/// </summary>
/// <param name="job">The job.</param>
/// <param name="cmdlet">The name of the cmdlet whose work it is.</param>
/// <param name="confirmations">What the operator was asked before it began; null: there was nothing to ask.</param>
internal sealed class JobOutput(Job job, string cmdlet, ConfirmationsAhead? confirmations) : ICmdletOutput
{
    private readonly Lock _gate = new();

    public Confirmation Confirmation => confirmations is null ? Confirmation.None : Confirmation.Told;

    /// <summary>Something went wrong.</summary>
    public bool HasErrors { get; private set; }

    /// <summary>How far it is, or what went wrong last.</summary>
    public string Status { get; private set; } = string.Empty;

    public void WriteObject(object value) => Add(job.Output, PSObject.AsPSObject(value));

    public void WriteObject(object value, Action taken)
    {
        WriteObject(value);
        taken();
    }

    public void Flush()
    {
    }

    public void WriteError(PsVmException error) => WriteError(PipelineOutput.ToRecord(error));

    /// <summary>Reports an error of any kind.</summary>
    public void WriteError(ErrorRecord error)
    {
        HasErrors = true;
        error.CategoryInfo.Activity = cmdlet;
        Status = VisibleText.Of(error.ErrorDetails?.Message ?? error.Exception.Message);
        Add(job.Error, error);
    }

    public void WriteWarning(string message) => Add(job.Warning, new WarningRecord(VisibleText.Of(message)));

    public void WriteVerbose(string message) => Add(job.Verbose, new VerboseRecord(VisibleText.Of(message)));

    public void WriteDebug(string message) => Add(job.Debug, new DebugRecord(VisibleText.Of(message)));

    /// <remarks>Of each activity only how far it is now is kept: nobody may look for days.</remarks>
    public void WriteProgress(CmdletProgress progress)
    {
        ProgressRecord record = PipelineOutput.ToRecord(progress);
        lock (_gate)
        {
            Status = $"{record.Activity}: {record.StatusDescription}";
            foreach (ProgressRecord other in job.Progress.ReadAll().Where(other => other.ActivityId != record.ActivityId))
            {
                Add(job.Progress, other);
            }

            Add(job.Progress, record);
        }
    }

    public bool ShouldProcess(string action) => confirmations?.Take(action) ?? true;

    // Streams are for everybody to see: one that an operator closed, or a handler that has no runspace, is no failure of the work.
    private static void Add<T>(PSDataCollection<T> stream, T item)
    {
        try
        {
            stream.Add(item);
        }
        catch (InvalidOperationException)
        {
        }
    }
}
