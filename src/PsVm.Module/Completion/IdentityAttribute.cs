using System.Collections;
using System.Management.Automation;

namespace PsVm.Module.Completion;

/// <summary>Lets an operator give an object where its name or id is asked for, as in <c>Remove-GuestTemplate $t</c>.</summary>
/// <param name="property">The property that identifies the object.</param>
[AttributeUsage(AttributeTargets.Property)]
internal class IdentityAttribute(string property) : ArgumentTransformationAttribute
{
    /// <summary>The property that identifies the object.</summary>
    public string Property { get; } = property;

    /// <inheritdoc/>
    public override object? Transform(EngineIntrinsics engineIntrinsics, object? inputData)
    {
        object? value = inputData is PSObject { BaseObject: not PSCustomObject } wrapped ? wrapped.BaseObject : inputData;
        return value is IList items ? items.Cast<object?>().Select(Identity).ToArray() : Identity(value);
    }

    /// <summary>What identifies an object; the value itself where nothing does.</summary>
    private protected virtual object? Identity(object? value) => value is null or string ? value : Of(value, Property) ?? value;

    /// <summary>The value of an object's property, whether .NET or PowerShell gave it one.</summary>
    private protected static object? Of(object value, string property) => PSObject.AsPSObject(value).Properties[property]?.Value;
}

/// <summary>Makes references of names and of objects. An object means the very guest or backend that it was made for.</summary>
/// <typeparam name="T"><see cref="GuestReference"/> or <see cref="BackendReference"/>.</typeparam>
/// <param name="property">The property with the name.</param>
/// <param name="instance">The property that tells one from an earlier or later one of that name.</param>
/// <param name="make">Makes the reference.</param>
internal abstract class ReferenceAttribute<T>(string property, string instance, Func<string, Guid?, T> make) : IdentityAttribute(property)
    where T : struct
{
    /// <inheritdoc/>
    private protected override object? Identity(object? value) => value switch
    {
        null or T => value,
        string name => make(name, null),
        _ => Of(value, Property) is string name ? make(name, Of(value, instance) as Guid?) : value,
    };
}

/// <summary>A guest, by name or as an object.</summary>
internal sealed class GuestIdentityAttribute()
    : ReferenceAttribute<GuestReference>(nameof(Guest.Name), nameof(Guest.Id), (name, id) => new GuestReference(name, id));

/// <summary>A backend, by id or as an object.</summary>
internal sealed class BackendIdentityAttribute()
    : ReferenceAttribute<BackendReference>("Id", "InstanceId", (id, instance) => new BackendReference(id, instance));
