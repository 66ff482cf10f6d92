using System.Collections;
using System.Management.Automation;
using PsVm.Module.Completion;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Guests;

/// <summary>Gets guests, in the order of their start.</summary>
[Cmdlet(VerbsCommon.Get, "Guest")]
[OutputType(typeof(Guest))]
public sealed class GetGuestCommand : AnyGuestCmdlet
{
    /// <summary>Only guests in one of these states.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public GuestState[]? State { get; set; }

    /// <summary>
    /// Only guests with all of these labels, as in <c>@{ role = 'web' }</c> or <c>role=web*</c>; values may be patterns, and a name alone
    /// stands for any value.
    /// </summary>
    [Parameter]
    [ValidateNotNull]
    [Labels(IsFilter = true)]
    [ArgumentCompleter(typeof(LabelCompleter))]
    public Hashtable? Label { get; set; }

    internal static void Run(
        IEnumerable<GuestReference> guests,
        Func<GuestInfo, bool> isWanted,
        IGuestHost host,
        Session session,
        ICmdletOutput output,
        CancellationToken cancellation)
    {
        GuestInfo[] found = [.. Selection.Guests(guests, host, output, cancellation).Where(isWanted)];
        session.WarnOfFailures(found, output);
        foreach (GuestInfo info in found)
        {
            output.WriteObject(new Guest(host, info));
        }
    }

    private protected override CmdletWork Bind()
    {
        GuestReference[] guests = Name;
        Session session = Session.Current;
        GuestState[]? states = State;
        Dictionary<string, string> labels = Label is null ? [] : LabelsAttribute.ToDictionary(Label);
        bool IsWanted(GuestInfo guest) =>
            (states is null || states.Contains(guest.State))
            && labels.All(label => guest.Labels.TryGetValue(label.Key, out string? value) && NamePattern.Matches(label.Value, value));
        return (output, cancellation) => Run(guests, IsWanted, ModuleServices.Guests, session, output, cancellation);
    }
}
