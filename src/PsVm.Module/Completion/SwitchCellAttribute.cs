using System.Management.Automation;

namespace PsVm.Module.Completion;

/// <summary>
/// Takes the cells of a table for a switch: True and False, as CSV has them, which PowerShell would refuse; blank is not given.
/// </summary>
/// <param name="notGiven">What the switch is then.</param>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class SwitchCellAttribute(bool notGiven = false) : ArgumentTransformationAttribute
{
    /// <inheritdoc/>
    public override object? Transform(EngineIntrinsics engineIntrinsics, object? inputData) =>
        BlankIsNullAttribute.IsBlank(inputData) ? notGiven
        : (inputData is PSObject wrapped ? wrapped.BaseObject : inputData) is string text && bool.TryParse(text, out bool isOn) ? isOn
        : inputData;
}
