using System.Management.Automation;
using PsVm.Module.Completion;
using PsVm.Module.Hosting;

namespace PsVm.Module.Guests;

/// <summary>The base of cmdlets that start guests, however: what is in their slots.</summary>
public abstract class GuestDevicesCmdlet : PsVmCmdlet
{
    /// <summary>
    /// Disks: paths of raw images, or dictionaries with Path, Name, ReadOnly, FileAccessMode and Overlay. A template's clones need those
    /// that it was made with.
    /// </summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [Disks]
    public GuestDiskOptions[] Disk { get; set; } = [];

    /// <summary>
    /// Folders of the host's that the guest shares: paths, with <c>:TAG</c> and <c>:ro</c> behind them where wanted, or dictionaries with
    /// Path, Tag and ReadOnly. A clone has those of its template's guest, by their tags.
    /// </summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [SharedFolders]
    public GuestSharedFolderOptions[] SharedFolder { get; set; } = [];

    /// <summary>
    /// Network adapters: <c>Hub</c>, <c>Hub:NAME</c>, <c>Passt</c> or <c>Tap:DEVICE</c>, or dictionaries with Backend, Name, Hub, Device,
    /// Mac, Mtu and Forward. A template's clones have those that it was made with, and this says what they lead to.
    /// </summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [Networks]
    [ArgumentCompleter(typeof(NetworkCompleter))]
    public GuestNetworkOptions[] Network { get; set; } = [];
}
