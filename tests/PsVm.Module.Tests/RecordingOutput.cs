using System.Collections.Concurrent;
using PsVm.Module.Output;

namespace PsVm.Module.Tests;

/// <summary>An output that remembers what was said, in order for each kind.</summary>
internal sealed class RecordingOutput : ICmdletOutput
{
    public List<object> Objects { get; } = [];

    public List<PsVmError> Errors { get; } = [];

    public List<PsVmException> Exceptions { get; } = [];

    public List<string> Warnings { get; } = [];

    public List<string> Verbose { get; } = [];

    public List<string> Debug { get; } = [];

    public ConcurrentQueue<CmdletProgress> Progress { get; } = [];

    public List<string> Actions { get; } = [];

    /// <summary>What the operator answers; false is also what -WhatIf answers.</summary>
    public bool Answer { get; init; } = true;

    /// <summary>Called at every write.</summary>
    public Action OnWrite { get; init; } = () => { };

    /// <summary>Nobody wants to hear what is done.</summary>
    public bool IsUntold { get; init; }

    public Confirmation Confirmation => IsUntold ? Confirmation.None : Answer ? Confirmation.Told : Confirmation.WhatIf;

    public void WriteObject(object value) => Add(Objects, value);

    public void WriteObject(object value, Action taken)
    {
        Add(Objects, value);
        taken();
    }

    public void Flush()
    {
    }

    public void WriteError(PsVmException error)
    {
        Exceptions.Add(error);
        Add(Errors, error.Error);
    }

    public void WriteWarning(string message) => Add(Warnings, message);

    public void WriteVerbose(string message) => Add(Verbose, message);

    public void WriteDebug(string message) => Add(Debug, message);

    // By timers of several displays at the same time.
    public void WriteProgress(CmdletProgress progress)
    {
        OnWrite();
        Progress.Enqueue(progress);
    }

    public bool ShouldProcess(string action)
    {
        Add(Actions, action);
        return Answer;
    }

    private void Add<T>(List<T> list, T item)
    {
        OnWrite();
        list.Add(item);
    }
}
