using System.Management.Automation;
using PsVm.Module.Completion;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Templates;

/// <summary>Lets the guest that was checkpointed go on: same name, UUID and generation id.</summary>
[Cmdlet(VerbsData.Restore, "Guest", SupportsShouldProcess = true)]
[OutputType(typeof(Guest))]
public sealed class RestoreGuestCommand : PsVmCmdlet
{
    /// <summary>The template's folder; a template object does as well.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    [Identity("Path")]
    public string Path { get; set; } = string.Empty;

    /// <summary>Another name than the guest had.</summary>
    [Parameter(Position = 1)]
    [ValidateNotNullOrEmpty]
    public string? Name { get; set; }

    /// <summary>Compares the SHA-256 of the template's RAM files first, which reads all of them.</summary>
    [Parameter]
    public SwitchParameter Verify { get; set; }

    /// <summary>How the template's RAM files are opened.</summary>
    [Parameter]
    public FileAccessMode FileAccessMode { get; set; }

    /// <summary>What discards of the guest's RAM do.</summary>
    [Parameter]
    public DiscardPolicy DiscardPolicy { get; set; }

    /// <summary>The files of private mappings are opened ReadOnly, discarding is refused.</summary>
    [Parameter]
    public SwitchParameter DenyPrivateDiscard { get; set; }

    /// <summary>Lifts the policy DenyPrivateDiscard for this guest.</summary>
    [Parameter]
    [NotUnset]
    public SwitchParameter AllowPrivateDiscard { get; set; }

    internal static void Run(
        GuestOptions options, Func<string, GuestTemplate> read, IGuestHost host, ICmdletOutput output, CancellationToken cancellation)
    {
        string name = options.Name ?? read(options.Template!).Guest;
        if (output.ShouldProcess($"Restore guest '{name}' from template '{options.Template}'"))
        {
            GuestInfo guest = host.Start(options with { Name = name }, cancellation);
            output.WriteWarnings(guest.Backends.SelectMany(backend => backend.Warnings));
            output.WriteObject(new Guest(host, guest));
        }
    }

    private protected override CmdletWork Bind()
    {
        GuestOptions options = new()
        {
            Name = Name,
            Template = ResolvePath(Path),
            KeepIdentity = true,
            Verify = Verify,
            FileAccessMode = FileAccessMode,
            DiscardPolicy = DiscardPolicy,
            DenyPrivateDiscard = DenyPrivateDiscard,
            AllowPrivateDiscard = AllowPrivateDiscard,
        };
        return (output, cancellation) => Run(options, path => ModuleServices.Templates.Read(path, cancellation), ModuleServices.Guests, output, cancellation);
    }
}
