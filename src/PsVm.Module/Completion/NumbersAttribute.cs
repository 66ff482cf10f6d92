using System.Globalization;
using System.Management.Automation;

namespace PsVm.Module.Completion;

/// <summary>
/// Takes whole numbers in one text, as CSV has them: <c>0, 2</c>; none where it is blank, of which PowerShell would make zero.
/// </summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class NumbersAttribute : ArgumentTransformationAttribute
{
    private static readonly char[] s_between = [',', ';', ' '];

    /// <inheritdoc/>
    public override object? Transform(EngineIntrinsics engineIntrinsics, object? inputData) =>
        (inputData is PSObject wrapped ? wrapped.BaseObject : inputData) is string text
            ? text.Split(s_between, StringSplitOptions.RemoveEmptyEntries).Select(Number).ToArray()
            : inputData;

    private static int Number(string text) =>
        int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int number)
        ? number
        : throw new ArgumentTransformationMetadataException($"Expected whole numbers such as '0, 2', found '{VisibleText.Of(text)}'.");
}
