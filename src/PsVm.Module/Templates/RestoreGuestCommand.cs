using System.Management.Automation;
using PsVm.Module.Completion;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Templates;

/// <summary>Lets the guest that was checkpointed go on: same name, UUID and generation id.</summary>
[Cmdlet(VerbsData.Restore, "Guest", SupportsShouldProcess = true)]
[OutputType(typeof(Guest))]
public sealed class RestoreGuestCommand : TemplateStartCmdlet
{
    /// <summary>The template's folder; a template object does as well.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true)]
    [ValidateNotNullOrEmpty]
    [TemplateIdentity]
    [ArgumentCompleter(typeof(TemplatePathCompleter))]
    public string Path { get; set; } = string.Empty;

    /// <summary>Another name than the guest had.</summary>
    [Parameter(Position = 1)]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(NothingCompleter))]
    public string? Name { get; set; }

    internal static void Run(
        GuestOptions options, Func<string, GuestTemplate> read, IGuestHost host, ICmdletOutput output, CancellationToken cancellation)
    {
        string name = options.Name ?? read(options.Template!).Guest;
        options = options with { Name = name };
        if (output.ShouldProcess(
            () => $"Restore guest '{name}' from template '{options.Template}'", () => host.CheckStart(options, cancellation)))
        {
            LatestStep step = new();
            using ProgressTicker progress = new(output, elapsed => step.At($"Restoring guest '{name}'", elapsed));
            GuestInfo guest = host.Start(options, step, cancellation);
            output.WriteWarnings(guest.Backends.SelectMany(backend => backend.Warnings));
            output.WriteObject(new Guest(host, guest));
        }
    }

    private protected override bool LogsLives => true;

    private protected override CmdletWork Bind()
    {
        GuestOptions options = OptionsOf(Path) with { Name = Name, KeepIdentity = true };
        return (output, cancellation) =>
            Run(options, path => ModuleServices.Templates.Read(path, cancellation), ModuleServices.Guests, output, cancellation);
    }
}
