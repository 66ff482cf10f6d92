using System.Globalization;
using System.Management.Automation;
using System.Text.RegularExpressions;

namespace PsVm.Module.Output;

/// <summary>The real output: a cmdlet in a pipeline. Used on the pipeline thread only.</summary>
internal sealed partial class PipelineOutput(PSCmdlet cmdlet) : ICmdletOutput
{
    private Confirmation? _confirmation;

    // Asked for each input item, and the same for all of them.
    public Confirmation Confirmation => _confirmation ??= Confirmations.Of(cmdlet);

    public void WriteObject(object value) => cmdlet.WriteObject(value);

    public void WriteObject(object value, Action taken)
    {
        try
        {
            cmdlet.WriteObject(value);
        }
        finally
        {
            // Select-Object -First has the object, and ends the pipeline by throwing.
            taken();
        }
    }

    public void Flush()
    {
    }

    public void WriteError(PsVmException error) => cmdlet.WriteError(ToRecord(error));

    public void WriteWarning(string message) => cmdlet.WriteWarning(VisibleText.Of(message));

    public void WriteVerbose(string message) => cmdlet.WriteVerbose(VisibleText.Of(message));

    public void WriteDebug(string message) => cmdlet.WriteDebug(VisibleText.Of(message));

    public void WriteProgress(CmdletProgress progress) => cmdlet.WriteProgress(ToRecord(progress));

    public bool ShouldProcess(string action)
    {
        string shown = VisibleText.Of(action);
        return cmdlet.ShouldProcess(shown, $"{shown}?", "PsVm");
    }

    /// <summary>An error as PowerShell has it.</summary>
    internal static ErrorRecord ToRecord(PsVmException error)
    {
        ErrorCategory category = Enum.Parse<ErrorCategory>(error.Error.Category.ToString());
        return new ErrorRecord(error, error.ErrorId, category, error.Target is { } target ? VisibleText.Of(target) : null)
        {
            ErrorDetails = new ErrorDetails(Shortened(error.Error.Message))
            {
                RecommendedAction = VisibleText.Of(error.RecommendedAction ?? string.Empty),
            },
        };
    }

    /// <summary>How far something is, as PowerShell has it.</summary>
    internal static ProgressRecord ToRecord(CmdletProgress progress) =>
        new(progress.IsPart ? 1 : 0, VisibleText.Of(progress.Activity), VisibleText.Of(progress.Status))
        {
            ParentActivityId = progress.IsPart ? 0 : -1,
            PercentComplete = progress.PercentComplete,
            RecordType = progress.Completed ? ProgressRecordType.Completed : ProgressRecordType.Processing,
        };

    /// <summary>A text without the middle of what nobody reads to its end, such as a path of 4,096 characters.</summary>
    internal static string Shortened(string text) => Endless().Replace(
        text,
        word => string.Create(CultureInfo.InvariantCulture, $"{word.Value[..80]}...({word.Length:n0} characters)...{word.Value[^40..]}"));

    [GeneratedRegex(@"\S{301,}")]
    private static partial Regex Endless();
}
