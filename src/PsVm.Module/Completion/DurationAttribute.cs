using System.Management.Automation;

namespace PsVm.Module.Completion;

/// <summary>Takes a length of time, as <see cref="Seconds"/> reads it.</summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class DurationAttribute : ArgumentTransformationAttribute
{
    // Longer than anybody waits, and short enough for every clock.
    private const double MostSeconds = 2_000_000;

    /// <inheritdoc/>
    public override object? Transform(EngineIntrinsics engineIntrinsics, object? inputData)
    {
        object? value = inputData is PSObject wrapped ? wrapped.BaseObject : inputData;
        return value is null ? null
            : Seconds.TryRead(value, out double seconds) && seconds is >= 0 and <= MostSeconds ? TimeSpan.FromSeconds(seconds)
            : throw new ArgumentTransformationMetadataException(
                $"Expected seconds from 0 to {MostSeconds:0}, or a time such as 0:01:30, found '{VisibleText.Of($"{value}")}'.");
    }
}
