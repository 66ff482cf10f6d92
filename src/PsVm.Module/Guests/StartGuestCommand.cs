using System.Management.Automation;
using PsVm.Module.Completion;
using PsVm.Module.Hosting;
using PsVm.Module.Output;
using PsVm.Module.Templates;

namespace PsVm.Module.Guests;

/// <summary>Starts a guest, or clones of a template, and returns at once.</summary>
[Cmdlet(VerbsLifecycle.Start, "Guest", SupportsShouldProcess = true, DefaultParameterSetName = "DefaultRam")]
[OutputType(typeof(Guest))]
public sealed class StartGuestCommand : PsVmCmdlet
{
    /// <summary>The backends that make up the RAM, in address order; ids do as well. Each pipeline item starts its own guest.</summary>
    [Parameter(Mandatory = true, ParameterSetName = "MemoryBackend", ValueFromPipeline = true)]
    [ValidateNotNullOrEmpty]
    [BackendIdentity]
    [ArgumentCompleter(typeof(BackendIdCompleter))]
    public BackendReference[] MemoryBackend { get; set; } = [];

    /// <summary>The folder of the template that clones start from; a template object does as well.</summary>
    [Parameter(Mandatory = true, ParameterSetName = "Template")]
    [ValidateNotNullOrEmpty]
    [Identity("Path")]
    public string? Template { get; set; }

    /// <summary>Number of clones.</summary>
    [Parameter(ParameterSetName = "Template")]
    [ValidateRange(1, 1_000_000)]
    public int Count { get; set; } = 1;

    /// <summary>The clones' names: a composite format in which {0} is the number of the clone, from 1 on.</summary>
    [Parameter(ParameterSetName = "Template")]
    [ValidateNotNullOrEmpty]
    public string? NameFormat { get; set; }

    /// <summary>Compares the SHA-256 of the template's RAM files first, which reads all of them.</summary>
    [Parameter(ParameterSetName = "Template")]
    public SwitchParameter Verify { get; set; }

    /// <summary>The clone has the UUID and generation id of the guest that was checkpointed, and its random seeds.</summary>
    [Parameter(ParameterSetName = "Template")]
    public SwitchParameter KeepIdentity { get; set; }

    /// <summary>How the template's RAM files are opened.</summary>
    [Parameter(ParameterSetName = "Template")]
    public FileAccessMode FileAccessMode { get; set; }

    /// <summary>What discards of the clones' RAM do.</summary>
    [Parameter(ParameterSetName = "Template")]
    public DiscardPolicy DiscardPolicy { get; set; }

    /// <summary>
    /// The file behind the default RAM, mapped privately; without it the default RAM is anonymous memory. With a template: another copy of
    /// its RAM file, which needs Verify.
    /// </summary>
    /// <remarks>Binds beside MemoryBackend too, so that the host can say what is wrong with that.</remarks>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? MemPath { get; set; }

    /// <summary>Size of the default RAM in bytes; with a template it must be the template's.</summary>
    [Parameter]
    [ValidateRange(1L, long.MaxValue)]
    public long Memory { get; set; } = 128L << 20;

    /// <summary>For the default RAM and clones: files of private mappings are opened ReadOnly, discarding refused.</summary>
    [Parameter(ParameterSetName = "DefaultRam")]
    [Parameter(ParameterSetName = "Template")]
    public SwitchParameter DenyPrivateDiscard { get; set; }

    /// <summary>Lifts the policy DenyPrivateDiscard for the default RAM and clones.</summary>
    [Parameter(ParameterSetName = "DefaultRam")]
    [Parameter(ParameterSetName = "Template")]
    [NotUnset]
    public SwitchParameter AllowPrivateDiscard { get; set; }

    /// <summary>The guest's name, unique among guests; generated when not given.</summary>
    [Parameter(Position = 0)]
    [ValidateNotNullOrEmpty]
    public string? Name { get; set; }

    /// <summary>A flat Linux Image or an ELF; without kernel and firmware the embedded guest boots.</summary>
    [Parameter(ParameterSetName = "DefaultRam")]
    [Parameter(ParameterSetName = "MemoryBackend")]
    [ValidateNotNullOrEmpty]
    public string? Kernel { get; set; }

    /// <summary>The initial RAM disk.</summary>
    [Parameter(ParameterSetName = "DefaultRam")]
    [Parameter(ParameterSetName = "MemoryBackend")]
    [ValidateNotNullOrEmpty]
    public string? Initrd { get; set; }

    /// <summary>ELF or flat machine-mode firmware, instead of the built-in SBI.</summary>
    [Parameter(ParameterSetName = "DefaultRam")]
    [Parameter(ParameterSetName = "MemoryBackend")]
    [ValidateNotNullOrEmpty]
    public string? Firmware { get; set; }

    /// <summary>The kernel's command line.</summary>
    [Parameter(ParameterSetName = "DefaultRam")]
    [Parameter(ParameterSetName = "MemoryBackend")]
    public string? CommandLine { get; set; }

    /// <summary>Number of harts: one when not given; with a template it must be the template's.</summary>
    [Parameter]
    [ValidateRange(1, int.MaxValue)]
    public int? Harts { get; set; }

    /// <summary>The board's version, whose defaults apply: virt, or the template's, when not given.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(MachineTypeCompleter))]
    public string? MachineType { get; set; }

    internal static void Run(GuestOptions options, IGuestHost host, ICmdletOutput output, CancellationToken cancellation)
    {
        if (!output.ShouldProcess(Describe(options)))
        {
            return;
        }

        GuestInfo guest = host.Start(options, cancellation);
        if (options.BackendIds.Count == 0)
        {
            // New-MemoryBackend has written those of other backends.
            output.WriteWarnings(guest.Backends.SelectMany(backend => backend.Warnings));
        }

        output.WriteObject(new Guest(host, guest));
    }

    private protected override CmdletWork Bind()
    {
        GuestOptions options = new()
        {
            Name = Name,
            BackendIds = MemoryBackend,
            MemoryPath = ResolvePath(MemPath),
            Memory = ParameterSetName == "DefaultRam" || MyInvocation.BoundParameters.ContainsKey(nameof(Memory)) ? Memory : 0,
            Kernel = ResolvePath(Kernel),
            Initrd = ResolvePath(Initrd),
            Firmware = ResolvePath(Firmware),
            CommandLine = CommandLine,
            Harts = Harts,
            MachineType = MachineType,
            DenyPrivateDiscard = DenyPrivateDiscard,
            AllowPrivateDiscard = AllowPrivateDiscard,
            Template = ResolvePath(Template),
            Verify = Verify,
            KeepIdentity = KeepIdentity,
            FileAccessMode = FileAccessMode,
            DiscardPolicy = DiscardPolicy,
        };
        if (options.Template is null)
        {
            return (output, cancellation) => Run(options, ModuleServices.Guests, output, cancellation);
        }

        IReadOnlyList<string?> names = Fleet.Names(Name, NameFormat, Count);
        return (output, cancellation) => Fleet.Start(
            options,
            names,
            (path, verify) => ModuleServices.Templates.Test(path, verify, cancellation),
            ModuleServices.Guests,
            output,
            cancellation);
    }

    private static string Describe(GuestOptions options)
    {
        string boot = options.Kernel ?? options.Firmware ?? "the embedded guest";
        string ram = (options.BackendIds, options.MemoryPath) switch
        {
            ({ Count: > 0 } ids, _) => $"memory backend {string.Join(", ", ids)}",
            (_, { } path) => $"{ByteSize.ToText(options.Memory)} of '{path}', mapped privately",
            _ => $"{ByteSize.ToText(options.Memory)} of anonymous memory",
        };
        return $"Start {(options.Name is null ? "a guest" : $"guest '{options.Name}'")}: {boot} on {ram}";
    }
}
