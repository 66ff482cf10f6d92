using System.Management.Automation;

namespace PsVm.Module.Completion;

/// <summary>Lets an operator give a moment as how long ago it was, as <see cref="Seconds"/> reads that.</summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class MomentAttribute : ArgumentTransformationAttribute
{
    /// <inheritdoc/>
    public override object? Transform(EngineIntrinsics engineIntrinsics, object? inputData) =>
        Moment(inputData is PSObject wrapped ? wrapped.BaseObject : inputData, DateTimeOffset.Now);

    /// <summary>The moment that a value means; the value itself where that is for PowerShell to say.</summary>
    internal static object? Moment(object? value, DateTimeOffset now) =>
        Seconds.TryRead(value, out double seconds) && Math.Abs(seconds) <= (now - DateTimeOffset.MinValue).TotalSeconds
            ? now - TimeSpan.FromSeconds(Math.Abs(seconds))
            : value;
}
