using System.Management.Automation;
using PsVm.Module.Completion;
using PsVm.Module.Guests;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Templates;

/// <summary>Makes guests of a guest that runs, as it is at one moment.</summary>
[Cmdlet(VerbsCommon.Copy, "Guest", SupportsShouldProcess = true)]
[OutputType(typeof(Guest), typeof(GuestJob))]
public sealed class CopyGuestCommand : GuestAndArgumentCmdlet
{
    /// <summary>Number of copies of each guest.</summary>
    [Parameter]
    [ValidateRange(1, 1_000_000)]
    [ArgumentCompleter(typeof(NothingCompleter))]
    public int Count { get; set; } = 1;

    /// <summary>The name of a single copy; generated when not given.</summary>
    [Parameter(Position = 1, ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(NothingCompleter))]
    public string? NewName { get; set; }

    /// <summary>The copies' names: a composite format in which {0} is the number of the copy, from 1 on.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(NothingCompleter))]
    public string? NameFormat { get; set; }

    /// <summary>The folder that keeps the template, another for each guest; without it the template goes with the last copy.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    public string? TemplatePath { get; set; }

    /// <summary>The copies have the UUID and generation id of the guest, and its random seeds.</summary>
    [Parameter]
    [NotUnset]
    public SwitchParameter KeepIdentity { get; set; }

    /// <summary>Who each copy is, as its agent sees to it: as that of Start-Guest; {0} of HostName is the number of the copy.</summary>
    [Parameter]
    [ValidateNotNull]
    [IdentityOptions]
    [ArgumentCompleter(typeof(NothingCompleter))]
    public CloneIdentity? Identity { get; set; }

    /// <summary>Does it in the background, by a job: Receive-Job gives what it found, Stop-Job gives it up.</summary>
    [Parameter]
    [NotUnset]
    public SwitchParameter AsJob { get; set; }

    /// <summary>Copies a guest.</summary>
    /// <param name="guest">The guest.</param>
    /// <param name="names">Names of the copies; null stands for one that is generated.</param>
    /// <param name="path">The template that stays; null: none does.</param>
    /// <param name="keepIdentity">They are the same machine.</param>
    /// <param name="identity">Who each is to be; null: any copy.</param>
    /// <param name="host">Where they live.</param>
    /// <param name="output">Where the copies go, each as it has started.</param>
    /// <param name="cancellation">Makes no more, and removes those that the next cmdlet has not taken.</param>
    internal static void Run(
        GuestReference guest,
        IReadOnlyList<string?> names,
        string? path,
        bool keepIdentity,
        CloneIdentity? identity,
        IGuestHost host,
        ICmdletOutput output,
        CancellationToken cancellation)
    {
        CheckpointOptions? kept = path is null ? null : new CheckpointOptions { Path = path };
        if (!output.ShouldProcess(() => Describe(guest, names, path), () => Check(guest, names, kept, identity, host, cancellation)))
        {
            return;
        }

        Fleet.CheckNames(names, host, cancellation);
        host.CheckIdentity(Fleet.Numbered(identity, 1), names[0]);
        LatestStep step = new();
        int turn = 0;
        using ProgressTicker progress = new(output, elapsed => turn == 0
            ? step.At($"Copying guest '{guest}'", elapsed)
            : new CmdletProgress($"Starting copies of guest '{guest}'", $"{turn} of {names.Count}", (int)(100L * turn / names.Count)));
        GuestTemplate template = kept is null
            ? host.CheckpointHidden(guest, step, cancellation)
            : host.Checkpoint(guest, kept, step, cancellation);
        try
        {
            output.WriteWarnings(template.Warnings);

            // By the images and folders that the guest has: the template does not know where they are.
            GuestOptions options = new()
            {
                Template = template.Path,
                KeepIdentity = keepIdentity,
                Identity = identity,
                Disks = [.. host.GetDisks(guest, cancellation).Select(disk => disk.ToOptions())],
                SharedFolders =
                    [
                        .. host.SharedFolders.Get(guest, cancellation).Select(folder => folder.ToOptions())
                        .OfType<GuestSharedFolderOptions>()],
            };
            Fleet.StartAll(options, names, ref turn, host, output, cancellation);
        }
        finally
        {
            if (kept is null)
            {
                host.ReleaseHidden(template.Path);
            }
        }
    }

    private protected override bool IsAsJob => AsJob;

    private protected override string ArgumentName => nameof(NewName);

    private protected override bool IsArgumentOptional => true;

    private protected override CmdletWork Bind()
    {
        (GuestReference[] wanted, string[] name) = Bind(NewName ?? string.Empty);
        IReadOnlyList<string?> names = Fleet.Names(name[0] is "" ? null : name[0], NameFormat, Count, nameof(NewName));
        string? path = ResolvePath(TemplatePath);
        bool keepIdentity = KeepIdentity;
        CloneIdentity? identity = Identity;
        return Selection.OnGuests(wanted, (guests, host, output, cancellation) =>
        {
            if (path is not null)
            {
                CheckpointGuestCommand.CheckPaths(guests.Select(guest => (guest, new CheckpointOptions { Path = path })));
            }

            CmdletWorks.ForEach(
                guests, output, guest => Run(guest, names, path, keepIdentity, identity, host, output, cancellation), cancellation);
        });
    }

    private static void Check(
        GuestReference guest,
        IReadOnlyList<string?> names,
        CheckpointOptions? kept,
        CloneIdentity? identity,
        IGuestHost host,
        CancellationToken cancellation)
    {
        Fleet.CheckNames(names, host, cancellation);
        host.CheckIdentity(Fleet.Numbered(identity, 1), names[0]);
        if (kept is null)
        {
            host.CheckNotStopped(guest);
        }
        else
        {
            host.CheckCheckpoint(guest, kept, cancellation);
        }
    }

    private static string Describe(GuestReference guest, IReadOnlyList<string?> names, string? path) =>
        $"Copy guest '{guest}' to {Fleet.Describe(names)}{(path is null ? string.Empty : $", and keep template '{path}'")}";
}
