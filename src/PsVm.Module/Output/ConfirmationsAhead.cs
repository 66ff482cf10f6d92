namespace PsVm.Module.Output;

/// <summary>
/// Asks the operator all that work would ask, before it is done where nobody can be asked: the work is run once with this as its output,
/// and does nothing, as if every answer were no.
/// </summary>
/// <param name="pipeline">Where the operator is.</param>
internal sealed class ConfirmationsAhead(ICmdletOutput pipeline) : ICmdletOutput
{
    private readonly List<string> _confirmed = [];
    private readonly List<PsVmException> _errors = [];
    private int _asked;

    public Confirmation Confirmation => pipeline.Confirmation;

    /// <summary>The operator was asked, and said no to everything.</summary>
    public bool IsRefused => _asked > 0 && _confirmed.Count == 0;

    /// <summary>What was found wrong meanwhile; the work finds it again.</summary>
    public IReadOnlyList<PsVmException> Errors => _errors;

    public void WriteObject(object value)
    {
    }

    public void WriteObject(object value, Action taken)
    {
    }

    public void Flush()
    {
    }

    public void WriteError(PsVmException error) => _errors.Add(error);

    public void WriteWarning(string message) => pipeline.WriteWarning(message);

    public void WriteVerbose(string message) => pipeline.WriteVerbose(message);

    public void WriteDebug(string message) => pipeline.WriteDebug(message);

    public void WriteProgress(CmdletProgress progress) => pipeline.WriteProgress(progress);

    public bool ShouldProcess(string action)
    {
        _asked++;
        if (pipeline.ShouldProcess(action))
        {
            _confirmed.Add(action);
        }

        return false;
    }

    /// <summary>The operator has said yes to this; each answer counts once.</summary>
    public bool Take(string action) => _confirmed.Remove(action);
}
