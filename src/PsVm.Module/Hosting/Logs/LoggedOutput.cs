using PsVm.Module.Output;

namespace PsVm.Module.Hosting.Logs;

/// <summary>
/// An output whose errors, warnings and texts, and what it asked before it was done, are also appended to a log (-LogPath).
/// </summary>
/// <param name="output">The output.</param>
/// <param name="log">The log.</param>
/// <param name="cmdlet">Who says it.</param>
/// <param name="follows">What happens to the guests that are written is appended from then on, as long as they are.</param>
/// <param name="host">Where they live.</param>
/// <param name="logs">Who follows them.</param>
internal sealed class LoggedOutput(
    ICmdletOutput output, LogFile log, string cmdlet, bool follows, IGuestHost host, GuestLogs logs) : ICmdletOutput
{
    /// <summary>What a cmdlet is about to do, as <c>-WhatIf</c> would say it; an error follows when it cannot.</summary>
    public const string ActionEvent = "Action";

    private readonly long _began = host.ReadEvents(long.MaxValue).NextPosition;

    /// <remarks>The log is told of everything, also where nobody is asked.</remarks>
    public Confirmation Confirmation => output.Confirmation == Confirmation.None ? Confirmation.Told : output.Confirmation;

    public void WriteObject(object value)
    {
        Follow(value);
        output.WriteObject(value);
    }

    public void WriteObject(object value, Action taken)
    {
        Follow(value);
        output.WriteObject(value, taken);
    }

    public void Flush() => output.Flush();

    public void WriteError(PsVmException error)
    {
        Append(LogLine.Of(cmdlet, error));
        output.WriteError(error);
    }

    public void WriteWarning(string message)
    {
        // Warnings have their id in front.
        int end = message.StartsWith('[') ? message.IndexOf("] ", StringComparison.Ordinal) : -1;
        Append(
            new LogLine(
                DateTimeOffset.UtcNow, "Warning", cmdlet, end < 0 ? null : message[1..end], end < 0 ? message : message[(end + 2)..]));
        output.WriteWarning(message);
    }

    public void WriteVerbose(string message)
    {
        Append(new LogLine(DateTimeOffset.UtcNow, "Information", cmdlet, null, message));
        output.WriteVerbose(message);
    }

    public void WriteDebug(string message)
    {
        Append(new LogLine(DateTimeOffset.UtcNow, "Debug", cmdlet, null, message));
        output.WriteDebug(message);
    }

    public void WriteProgress(CmdletProgress progress) => output.WriteProgress(progress);

    public bool ShouldProcess(string action)
    {
        bool agreed = output.ShouldProcess(action);
        if (agreed)
        {
            Append(new LogLine(DateTimeOffset.UtcNow, "Information", cmdlet, ActionEvent, action));
        }

        return agreed;
    }

    /// <summary>Appends what has happened meanwhile, and tells of lines that are lost.</summary>
    public void End(IReadOnlyList<HostEvent> happened)
    {
        logs.Look();
        foreach (HostEvent one in happened.Where(one => !logs.IsFollowed(one.Guest?.Id, log.Path)))
        {
            Append(LogLine.Of(one));
        }

        foreach (string failure in logs.TakeFailures())
        {
            Warn(failure);
        }
    }

    private void Follow(object value)
    {
        if (follows && value is Guest guest)
        {
            logs.Follow(guest.Id, log, _began);
        }
    }

    private void Append(LogLine line)
    {
        log.Append(line);
        if (log.TakeFailure() is { } failure)
        {
            Warn(failure);
        }
    }

    private void Warn(string failure) => output.WriteWarning($"[{ModuleErrorIds.LogWriteFailed}] {failure}");
}
