namespace PsVm.Module.Output;

/// <summary>The one seam between the logic of cmdlets and PowerShell: everything a cmdlet says or asks goes through here.</summary>
internal interface ICmdletOutput
{
    /// <summary>Sends one object down the pipeline.</summary>
    void WriteObject(object value);

    /// <summary>Sends one object down the pipeline, and tells once the next cmdlet has it.</summary>
    /// <param name="value">The object.</param>
    /// <param name="taken">Called on any thread; never called when the pipeline ends before.</param>
    void WriteObject(object value, Action taken);

    /// <summary>Waits until all that was written has been taken.</summary>
    /// <exception cref="OperationCanceledException">The pipeline ends before.</exception>
    void Flush();

    /// <summary>What the operator wants to hear before something is changed.</summary>
    Confirmation Confirmation { get; }

    /// <summary>Reports an error; the cmdlet goes on with the next item.</summary>
    void WriteError(PsVmException error);

    /// <summary>Writes to the warning stream.</summary>
    void WriteWarning(string message);

    /// <summary>Writes to the verbose stream.</summary>
    void WriteVerbose(string message);

    /// <summary>Writes to the debug stream.</summary>
    void WriteDebug(string message);

    /// <summary>Shows how far a slow action is.</summary>
    void WriteProgress(CmdletProgress progress);

    /// <summary>Asks whether to go on with something that changes the system.</summary>
    /// <param name="action">What is about to happen, as a sentence; <c>-WhatIf</c> shows it.</param>
    /// <returns>False under <c>-WhatIf</c> or when the operator says no.</returns>
    bool ShouldProcess(string action);
}

/// <summary>What a cmdlet does once its parameters have become values.</summary>
/// <param name="output">Where everything it says goes.</param>
/// <param name="cancellation">Set by Ctrl+C and by a pipeline that needs no more.</param>
internal delegate void CmdletWork(ICmdletOutput output, CancellationToken cancellation);
