using System.Collections;
using System.Management.Automation;

namespace PsVm.Module.Completion;

/// <summary>
/// Takes sizes as people and PsVm write them: <c>4096</c>, <c>128MB</c>, <c>128 MiB</c>, <c>1.5GiB</c>; in every culture; blank is not
/// given.
/// </summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class SizeAttribute : ArgumentTransformationAttribute
{
    /// <inheritdoc/>
    public override object? Transform(EngineIntrinsics engineIntrinsics, object? inputData) =>
        (inputData is PSObject wrapped ? wrapped.BaseObject : inputData) is IList sizes
            ? sizes.Cast<object?>().Select(Size).ToArray()
            : BlankIsNullAttribute.IsBlank(inputData) ? null : Size(inputData);

    private static object? Size(object? inputData)
    {
        object? value = inputData is PSObject wrapped ? wrapped.BaseObject : inputData;
        return value is not string text
            ? inputData
            : ByteSize.TryParse(text, out long bytes)
                ? bytes
                : throw new ArgumentTransformationMetadataException(
                    $"Expected a size in bytes such as 134217728, 128MB, '128 MiB' or 1.5GiB, found '{VisibleText.Of(text)}'.");
    }
}
