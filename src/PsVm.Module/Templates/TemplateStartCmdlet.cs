using System.Management.Automation;
using PsVm.Module.Completion;
using PsVm.Module.Hosting;

namespace PsVm.Module.Templates;

/// <summary>The base of cmdlets that start guests from a template and from nothing else: how its files are opened, and which disks there are.</summary>
public abstract class TemplateStartCmdlet : PsVmCmdlet
{
    /// <summary>Compares the digests of the template's RAM files first, which reads all of them.</summary>
    [Parameter]
    public SwitchParameter Verify { get; set; }

    /// <summary>Folders in which the templates that it needs are looked for, too.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string[] SearchPath { get; set; } = [];

    /// <summary>How the template's RAM files are opened.</summary>
    [Parameter]
    [ValidateNotNull]
    [ArgumentCompleter(typeof(EnumCompleter<FileAccessMode>))]
    public Arguments.FileAccessMode? FileAccessMode { get; set; }

    /// <summary>What discards of the guests' RAM do.</summary>
    [Parameter]
    [ValidateNotNull]
    [ArgumentCompleter(typeof(EnumCompleter<DiscardPolicy>))]
    public Arguments.DiscardPolicy? DiscardPolicy { get; set; }

    /// <summary>The files of private mappings are opened ReadOnly, discarding is refused.</summary>
    [Parameter]
    public SwitchParameter DenyPrivateDiscard { get; set; }

    /// <summary>Lifts the policy DenyPrivateDiscard for the guests.</summary>
    [Parameter]
    [NotUnset]
    public SwitchParameter AllowPrivateDiscard { get; set; }

    /// <summary>
    /// Disks: paths of raw images, or dictionaries with Path, Name, ReadOnly, FileAccessMode and Overlay. A template's clones need those that it was
    /// made with.
    /// </summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [Disks]
    public GuestDiskOptions[] Disk { get; set; } = [];

    /// <summary>
    /// Network adapters: <c>Hub</c>, <c>Hub:NAME</c>, <c>Passt</c> or <c>Tap:DEVICE</c>, or dictionaries with Backend, Name, Hub, Device, Mac, Mtu and
    /// Forward. A template's clones have those that it was made with, and this says what they lead to.
    /// </summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [Networks]
    [ArgumentCompleter(typeof(NetworkCompleter))]
    public GuestNetworkOptions[] Network { get; set; } = [];

    /// <summary>
    /// Folders of the host's that the guest shares: paths, with <c>:TAG</c> and <c>:ro</c> behind them where wanted, or dictionaries with Path, Tag and
    /// ReadOnly. A clone has those of its template's guest, by their tags.
    /// </summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [SharedFolders]
    public GuestSharedFolderOptions[] SharedFolder { get; set; } = [];

    /// <summary>What these say of a guest; runs on the pipeline thread.</summary>
    /// <param name="template">The template's folder, as it was given.</param>
    private protected GuestOptions OptionsOf(string template) => new()
    {
        Template = ResolvePath(template),
        Verify = Verify,
        SearchPath = [.. SearchPath.Select(folder => ResolvePath(folder)!)],
        FileAccessMode = FileAccessMode?.Value ?? default,
        DiscardPolicy = DiscardPolicy?.Value ?? default,
        DenyPrivateDiscard = DenyPrivateDiscard,
        AllowPrivateDiscard = AllowPrivateDiscard,
        Disks = ResolvePaths(Disk),
        Networks = Network,
        SharedFolders = ResolvePaths(SharedFolder),
    };
}
