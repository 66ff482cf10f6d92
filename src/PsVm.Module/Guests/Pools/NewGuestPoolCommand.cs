using System.Management.Automation;
using PsVm.Module.Completion;
using PsVm.Module.Hosting;
using PsVm.Module.Output;
using PsVm.Module.Templates;

namespace PsVm.Module.Guests.Pools;

/// <summary>Makes a pool of clones that are put together and wait, to be taken with Start-Guest -Pool.</summary>
[Cmdlet(VerbsCommon.New, "GuestPool", SupportsShouldProcess = true)]
[OutputType(typeof(GuestPool), typeof(GuestJob))]
public sealed class NewGuestPoolCommand : TemplateStartCmdlet
{
    /// <summary>The folder of the template that the clones start from; a template object does as well.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true)]
    [ValidateNotNullOrEmpty]
    [TemplateIdentity]
    [ArgumentCompleter(typeof(TemplatePathCompleter))]
    public string Template { get; set; } = string.Empty;

    /// <summary>The pool's name; the template's when not given.</summary>
    [Parameter(Position = 1)]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(NothingCompleter))]
    public string? Name { get; set; }

    /// <summary>Clones that are held.</summary>
    [Parameter]
    [ValidateRange(1, 10_000)]
    [ArgumentCompleter(typeof(NothingCompleter))]
    public int Size { get; set; } = 4;

    /// <summary>Who takes a clone when none is held gets one that is made then; else that is an error.</summary>
    [Parameter]
    public SwitchParameter Grow { get; set; }

    /// <summary>
    /// Who each clone that is taken is, unless who takes it says so, as its agent sees to it: as that of Start-Guest; {0} of HostName is
    /// the number of the take, from 1 on.
    /// </summary>
    [Parameter]
    [ValidateNotNull]
    [IdentityOptions]
    [ArgumentCompleter(typeof(NothingCompleter))]
    public CloneIdentity? Identity { get; set; }

    /// <summary>A clone that reboots stops instead.</summary>
    [Parameter]
    public SwitchParameter NoReboot { get; set; }

    /// <summary>Does it in the background, by a job: Receive-Job gives what it found, Stop-Job gives it up.</summary>
    [Parameter]
    [NotUnset]
    public SwitchParameter AsJob { get; set; }

    internal static void Run(GuestPoolOptions options, IGuestPools pools, ICmdletOutput output, CancellationToken cancellation)
    {
        string clones = options.Size == 1 ? "1 clone" : $"{options.Size} clones";
        string what = $"pool '{options.Name}' of {clones} of template '{options.Guest.Template}'";
        if (output.ShouldProcess(() => $"Make {what}", () => pools.CheckCreate(options, cancellation)))
        {
            HeldCount held = new();
            using ProgressTicker progress = new(output, _ => new CmdletProgress(
                $"Filling pool '{options.Name}'", $"{held.Value} of {options.Size}", (int)(100L * held.Value / options.Size)));
            output.WriteObject(pools.Create(options, held, cancellation));
        }
    }

    private protected override bool IsAsJob => AsJob;

    private protected override CmdletWork Bind()
    {
        _ = Fleet.Numbered(Identity, 1);
        GuestOptions guest = OptionsOf(Template) with { NoReboot = NoReboot, Identity = Identity };
        GuestPoolOptions options = new()
        {
            Name = Name ?? Path.GetFileName(Path.TrimEndingDirectorySeparator(guest.Template!)),
            Size = Size,
            Grow = Grow,
            Guest = guest,
        };
        return (output, cancellation) => Run(options, ModuleServices.Guests.Pools, output, cancellation);
    }

    private sealed class HeldCount : IProgress<int>
    {
        private int _value;

        public int Value => Volatile.Read(ref _value);

        public void Report(int value) => Volatile.Write(ref _value, value);
    }
}
