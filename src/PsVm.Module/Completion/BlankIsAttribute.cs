using System.Management.Automation;

namespace PsVm.Module.Completion;

/// <summary>Takes an empty cell of a table for the value that a parameter has when it is not given.</summary>
/// <param name="value">That value.</param>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class BlankIsAttribute(object value) : ArgumentTransformationAttribute
{
    /// <inheritdoc/>
    public override object? Transform(EngineIntrinsics engineIntrinsics, object? inputData) =>
        BlankIsNullAttribute.IsBlank(inputData) ? value : inputData;
}
