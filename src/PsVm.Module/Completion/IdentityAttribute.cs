using System.Collections;
using System.Management.Automation;

namespace PsVm.Module.Completion;

/// <summary>Lets an operator give an object where its name or id is asked for, as in <c>Stop-Guest $g</c>.</summary>
/// <param name="property">The property that identifies the object.</param>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class IdentityAttribute(string property) : ArgumentTransformationAttribute
{
    /// <summary>The property that identifies the object.</summary>
    public string Property { get; } = property;

    /// <inheritdoc/>
    public override object? Transform(EngineIntrinsics engineIntrinsics, object? inputData)
    {
        object? value = inputData is PSObject { BaseObject: not PSCustomObject } wrapped ? wrapped.BaseObject : inputData;
        return value is IList items ? items.Cast<object?>().Select(Identity).ToArray() : Identity(value);
    }

    private object? Identity(object? value) =>
        value is null or string ? value : PSObject.AsPSObject(value).Properties[Property]?.Value ?? value;
}
