using System.Management.Automation;

namespace PsVm.Module.Output;

/// <summary>The real output: a cmdlet in a pipeline. Used on the pipeline thread only.</summary>
internal sealed class PipelineOutput(PSCmdlet cmdlet) : ICmdletOutput
{
    public void WriteObject(object value) => cmdlet.WriteObject(value);

    public void WriteError(PsVmException error)
    {
        ErrorCategory category = Enum.Parse<ErrorCategory>(error.Error.Category.ToString());
        cmdlet.WriteError(new ErrorRecord(error, error.ErrorId, category, error.Target)
        {
            ErrorDetails = new ErrorDetails(VisibleText.Of(error.Message)) { RecommendedAction = error.RecommendedAction ?? string.Empty },
        });
    }

    public void WriteWarning(string message) => cmdlet.WriteWarning(VisibleText.Of(message));

    public void WriteVerbose(string message) => cmdlet.WriteVerbose(VisibleText.Of(message));

    public void WriteDebug(string message) => cmdlet.WriteDebug(VisibleText.Of(message));

    public void WriteProgress(CmdletProgress progress) => cmdlet.WriteProgress(
        new ProgressRecord(activityId: 0, progress.Activity, progress.Status)
        {
            PercentComplete = progress.PercentComplete,
            RecordType = progress.Completed ? ProgressRecordType.Completed : ProgressRecordType.Processing,
        });

    public bool ShouldProcess(string action) => cmdlet.ShouldProcess(action, $"{action}?", "PsVm");
}
