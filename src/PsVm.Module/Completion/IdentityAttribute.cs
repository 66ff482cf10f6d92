using System.Collections;
using System.Management.Automation;

namespace PsVm.Module.Completion;

/// <summary>Lets an operator give an object where its name, id or path is asked for, as in <c>Remove-GuestTemplate $t</c>.</summary>
/// <remarks>
/// Objects of ours do, and rows of a table with a property of that name. No other object: a process has a Name, too, and
/// <c>Get-Process | Stop-Guest</c> means no guest. So such parameters take nothing else from the pipeline by property name.
/// </remarks>
[AttributeUsage(AttributeTargets.Property)]
internal abstract class IdentityAttribute : ArgumentTransformationAttribute
{
    /// <inheritdoc/>
    public override object? Transform(EngineIntrinsics engineIntrinsics, object? inputData)
    {
        object? value = Unwrapped(inputData);
        return value is IList items ? items.Cast<object?>().Select(item => Identity(Unwrapped(item))).ToArray() : Identity(value);
    }

    private static object? Unwrapped(object? value) =>
        value is PSObject { BaseObject: not PSCustomObject } wrapped ? wrapped.BaseObject : value;

    /// <summary>What identifies an object; the value itself where nothing does, for PowerShell to convert or to refuse.</summary>
    private protected abstract object? Identity(object? value);

    /// <summary>Whether the value is a row of a table or the like: what PowerShell makes, with properties as somebody named them.</summary>
    private protected static bool IsRow(object value) => value is PSObject { BaseObject: PSCustomObject };

    /// <summary>The value of an object's property, whether .NET or PowerShell gave it one.</summary>
    private protected static object? Of(object value, string property) => PSObject.AsPSObject(value).Properties[property]?.Value;
}

/// <summary>A template, by path or as an object, as which a folder does, too.</summary>
internal sealed class TemplateIdentityAttribute : IdentityAttribute
{
    /// <inheritdoc/>
    private protected override object? Identity(object? value) => value switch
    {
        null or string => value,
        GuestTemplate template => template.Path,
        TemplateReport report => report.Path,
        FileSystemInfo item => item.FullName,
        _ when IsRow(value) && (Of(value, "Path") ?? Of(value, "FullName") ?? Of(value, "Template")) is string path => path,
        _ => throw new ArgumentTransformationMetadataException(
            $"Expected templates or paths of templates, found {VisibleText.Of(value.GetType().Name)}: {VisibleText.Of($"{value}")}."),
    };
}

/// <summary>An archive of templates, by path or as an object, as which a file does, too.</summary>
internal sealed class ArchiveIdentityAttribute : IdentityAttribute
{
    /// <inheritdoc/>
    private protected override object? Identity(object? value) => value switch
    {
        null or string => value,
        TemplateArchive archive => archive.Path,
        FileSystemInfo item => item.FullName,
        _ when IsRow(value) && (Of(value, "Path") ?? Of(value, "FullName")) is string path => path,
        _ => throw new ArgumentTransformationMetadataException(
            $"Expected archives or paths of archives, found {VisibleText.Of(value.GetType().Name)}: {VisibleText.Of($"{value}")}."),
    };
}

/// <summary>A pool, by name or as an object.</summary>
internal sealed class PoolIdentityAttribute : IdentityAttribute
{
    /// <inheritdoc/>
    private protected override object? Identity(object? value) => value switch
    {
        null or string => value,
        GuestPool pool => pool.Name,
        _ when IsRow(value) && (Of(value, "Name") ?? Of(value, "Pool")) is string name => name,
        _ => throw new ArgumentTransformationMetadataException(
            $"Expected pools or names of pools, found {VisibleText.Of(value.GetType().Name)}: {VisibleText.Of($"{value}")}."),
    };
}

/// <summary>Makes references of names and of objects. An object means the very guest or backend that it was made for.</summary>
/// <typeparam name="T"><see cref="GuestReference"/> or <see cref="BackendReference"/>.</typeparam>
/// <param name="property">The property with the name.</param>
/// <param name="instance">The property that tells one from an earlier or later one of that name.</param>
/// <param name="types">Types whose objects have those properties and mean it.</param>
/// <param name="make">Makes the reference.</param>
internal abstract class ReferenceAttribute<T>(
    string property, string instance, Type[] types, Func<string, Guid?, T> make) : IdentityAttribute
    where T : struct
{
    /// <inheritdoc/>
    private protected override object? Identity(object? value) => value switch
    {
        null or T => value,
        string name => make(name, null),
        _ when (IsRow(value) || types.Contains(value.GetType())) && Of(value, property) is string name =>
            make(name, Of(value, instance) as Guid?),
        _ => value,
    };
}

/// <summary>A guest, by name or as an object.</summary>
internal sealed class GuestIdentityAttribute() : ReferenceAttribute<GuestReference>(
    nameof(Guest.Name),
    nameof(Guest.Id),
    [typeof(Guest), typeof(GuestInfo), typeof(GuestMeasurement)],
    (name, id) => new GuestReference(name, id));

/// <summary>A backend, by id or as an object.</summary>
internal sealed class BackendIdentityAttribute() : ReferenceAttribute<BackendReference>(
    "Id", "InstanceId", [typeof(MemoryBackendInfo), typeof(MappingOutcome)], (id, instance) => new BackendReference(id, instance));
