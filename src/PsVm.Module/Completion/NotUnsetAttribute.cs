using System.Management.Automation;

namespace PsVm.Module.Completion;

/// <summary>Refuses <c>$null</c>, an unset variable most likely, where PowerShell would make a switch that is off of it.</summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class NotUnsetAttribute : ArgumentTransformationAttribute
{
    /// <inheritdoc/>
    public override bool TransformNullOptionalParameters => true;

    /// <inheritdoc/>
    public override object Transform(EngineIntrinsics engineIntrinsics, object? inputData) =>
        inputData ?? throw new ArgumentTransformationMetadataException("Expected $true or $false, found $null.");
}
