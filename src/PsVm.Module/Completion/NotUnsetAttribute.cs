using System.Management.Automation;

namespace PsVm.Module.Completion;

/// <summary>Refuses <c>$null</c>, an unset variable most likely, of which PowerShell makes a switch that is on.</summary>
/// <remarks>For switches that lift a rule or destroy something.</remarks>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class NotUnsetAttribute : ArgumentTransformationAttribute
{
    /// <inheritdoc/>
    public override bool TransformNullOptionalParameters => true;

    /// <inheritdoc/>
    public override object Transform(EngineIntrinsics engineIntrinsics, object? inputData) =>
        inputData ?? throw new ArgumentTransformationMetadataException("Expected $true or $false, found $null.");
}
