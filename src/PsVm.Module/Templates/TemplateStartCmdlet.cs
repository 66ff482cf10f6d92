using System.Management.Automation;
using PsVm.Module.Completion;
using PsVm.Module.Guests;
using PsVm.Module.Hosting;

namespace PsVm.Module.Templates;

/// <summary>The base of cmdlets that start guests from a template and from nothing else: how its files are opened.</summary>
public abstract class TemplateStartCmdlet : GuestDevicesCmdlet
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
