namespace PsVm.Machine.Guests;

/// <content>Whose code it runs.</content>
internal sealed partial class LiveGuest
{
    /// <summary>What clones of a template have in common, who share code.</summary>
    public static string FamilyOf(GuestTemplate template) => template.Id.ToString();

    /// <summary>
    /// Clones of a template that was made of this guest run what it has decoded and translated, where it does not share that with others
    /// already.
    /// </summary>
    public void LeaveCodeTo(GuestTemplate template) => _code.TryLeaveTo(FamilyOf(template));
}
