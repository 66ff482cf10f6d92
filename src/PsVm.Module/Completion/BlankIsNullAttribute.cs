using System.Management.Automation;

namespace PsVm.Module.Completion;

/// <summary>Takes an empty cell of a table for a parameter that was not given; PowerShell would read it as zero, or refuse it.</summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class BlankIsNullAttribute : ArgumentTransformationAttribute
{
    /// <inheritdoc/>
    public override object? Transform(EngineIntrinsics engineIntrinsics, object? inputData) => IsBlank(inputData) ? null : inputData;

    /// <summary>Whether a value is an empty cell.</summary>
    internal static bool IsBlank(object? inputData) =>
        (inputData is PSObject wrapped ? wrapped.BaseObject : inputData) is string text && string.IsNullOrWhiteSpace(text);
}
