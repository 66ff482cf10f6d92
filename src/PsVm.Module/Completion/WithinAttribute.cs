using System.Globalization;
using System.Management.Automation;

namespace PsVm.Module.Completion;

/// <summary>Takes whole numbers of a range, and null for a parameter that was not given, which ValidateRange refuses.</summary>
/// <param name="least">The least.</param>
/// <param name="most">The most.</param>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class WithinAttribute(long least, long most) : ValidateArgumentsAttribute
{
    /// <inheritdoc/>
    protected override void Validate(object? arguments, EngineIntrinsics engineIntrinsics)
    {
        object? value = arguments is PSObject wrapped ? wrapped.BaseObject : arguments;
        if (value is not null && Convert.ToInt64(value, CultureInfo.InvariantCulture) is var number && (number < least || number > most))
        {
            string range = most is int.MaxValue or long.MaxValue ? $"{least} or more" : $"{least} to {most}";
            throw new ValidationMetadataException($"Expected {range}, found {number}.");
        }
    }
}
