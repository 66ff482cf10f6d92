namespace PsVm;

/// <summary>Says which guest is meant: whichever has a name, or a certain one, however often the name was given since.</summary>
/// <param name="Name">The name. Case does not count.</param>
/// <param name="Id">The guest's <see cref="GuestInfo.Id"/>; null: any guest of that name.</param>
public readonly record struct GuestReference(string Name, Guid? Id = null)
{
    /// <summary>The guest that has a name now.</summary>
    public static implicit operator GuestReference(string name) => new(name);

    /// <inheritdoc/>
    public override string ToString() => Name;
}
