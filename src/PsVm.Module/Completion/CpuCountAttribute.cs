using System.Globalization;
using System.Management.Automation;

namespace PsVm.Module.Completion;

/// <summary>Takes a number of CPUs as text: <c>0.5</c>, in every culture. PowerShell would read <c>0,5</c> as five.</summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class CpuCountAttribute : ArgumentTransformationAttribute
{
    /// <inheritdoc/>
    public override object? Transform(EngineIntrinsics engineIntrinsics, object? inputData)
    {
        object? value = inputData is PSObject wrapped ? wrapped.BaseObject : inputData;
        if (value is not string text)
        {
            return inputData;
        }

        const NumberStyles Plain = NumberStyles.AllowDecimalPoint | NumberStyles.AllowLeadingSign;
        return string.IsNullOrWhiteSpace(text) ? null
            : double.TryParse(text, Plain, CultureInfo.InvariantCulture, out double cpus) ? cpus
            : throw new ArgumentTransformationMetadataException(
                $"Expected a number of CPUs such as 0.5 or 2, found '{VisibleText.Of(text)}'.");
    }
}
