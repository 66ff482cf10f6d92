using System.Management.Automation;
using PsVm.Module.Completion;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Guests;

/// <summary>Starts a guest and returns at once.</summary>
[Cmdlet(VerbsLifecycle.Start, "Guest", SupportsShouldProcess = true, DefaultParameterSetName = "DefaultRam")]
[OutputType(typeof(Guest))]
public sealed class StartGuestCommand : PsVmCmdlet
{
    /// <summary>The backends that make up the RAM, in address order; ids do as well. Each pipeline item starts its own guest.</summary>
    [Parameter(Mandatory = true, ParameterSetName = "MemoryBackend", ValueFromPipeline = true)]
    [ValidateNotNullOrEmpty]
    [Identity("Id")]
    [ArgumentCompleter(typeof(BackendIdCompleter))]
    public string[] MemoryBackend { get; set; } = [];

    /// <summary>The file behind the default RAM, mapped privately; without it the default RAM is anonymous memory.</summary>
    /// <remarks>Binds beside MemoryBackend too, so that the host can say what is wrong with that.</remarks>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? MemPath { get; set; }

    /// <summary>Size of the default RAM in bytes.</summary>
    [Parameter]
    [ValidateRange(1L, long.MaxValue)]
    public long Memory { get; set; } = 128L << 20;

    /// <summary>Overrides the process policy for the default RAM: its file is opened ReadOnly, and who would discard is refused.</summary>
    [Parameter(ParameterSetName = "DefaultRam")]
    public SwitchParameter DenyPrivateDiscard { get; set; }

    /// <summary>The guest's name, unique among guests; generated when not given.</summary>
    [Parameter(Position = 0)]
    [ValidateNotNullOrEmpty]
    public string? Name { get; set; }

    /// <summary>A flat Linux Image or an ELF; without kernel and firmware the embedded guest boots.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? Kernel { get; set; }

    /// <summary>The initial RAM disk.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? Initrd { get; set; }

    /// <summary>ELF or flat machine-mode firmware, instead of the built-in SBI.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? Firmware { get; set; }

    /// <summary>The kernel's command line.</summary>
    [Parameter]
    public string? CommandLine { get; set; }

    /// <summary>Number of harts.</summary>
    [Parameter]
    [ValidateRange(1, int.MaxValue)]
    public int Harts { get; set; } = 1;

    /// <summary>The board's version, whose defaults apply.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(MachineTypeCompleter))]
    public string MachineType { get; set; } = "virt";

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
            Memory = MemoryBackend.Length == 0 || MyInvocation.BoundParameters.ContainsKey(nameof(Memory)) ? Memory : 0,
            Kernel = ResolvePath(Kernel),
            Initrd = ResolvePath(Initrd),
            Firmware = ResolvePath(Firmware),
            CommandLine = CommandLine,
            Harts = Harts,
            MachineType = MachineType,
            DenyPrivateDiscard = WhenGiven(nameof(DenyPrivateDiscard), DenyPrivateDiscard),
        };
        return (output, cancellation) => Run(options, ModuleServices.Guests, output, cancellation);
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
