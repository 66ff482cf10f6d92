using PsVm.Machine.Devices.Folders;
using PsVm.Machine.Devices.Virtio;

namespace PsVm.Machine.Board.Slots;

/// <summary>
/// Shared folders, by 9P. A clone has those that its template's guest had, by their tags: where it was not given one, there is none until
/// somebody gives it. RAM may be of any kind: nobody else than this process sees it.
/// </summary>
/// <param name="open">Opens a folder; null: the host's.</param>
internal sealed class FolderKind(Func<GuestSharedFolderOptions, IFolderServer>? open = null) : IGuestDeviceKind
{
    private const string RolePrefix = "folder:";
    private const int LongestTag = 31; // as QEMU has it

    private readonly Func<GuestSharedFolderOptions, IFolderServer> _open = open ?? OpenOnHost;

    /// <summary>The role of a folder.</summary>
    public static string RoleOf(string tag) => RolePrefix + tag;

    /// <inheritdoc/>
    public IEnumerable<GuestDevicePlan> Plan(GuestOptions options, GuestTemplate? template)
    {
        string[] recorded = template is null ? [] : [.. template.Slots.Where(IsRole).Select(role => role[RolePrefix.Length..])];
        if (options.SharedFolders.Count == 0 && recorded.Length == 0)
        {
            return [];
        }

        GuestSharedFolderOptions[] folders =
        [
            .. options.SharedFolders.Select((folder, place) => folder.Tag is not null ? folder
                : folder with { Tag = place < recorded.Length ? recorded[place] : $"folder{place}" }),
        ];
        CheckTags(folders);
        if (template is null)
        {
            return folders.Select(Plan);
        }

        if (folders.FirstOrDefault(folder => !recorded.Contains(folder.Tag)) is { } other)
        {
            throw new GuestException(
                GuestErrorIds.TemplateFolderMissing,
                $"Expected shared folders that the guest of template '{template.Path}' had "
                + $"({(recorded.Length == 0 ? "none" : string.Join(", ", recorded))}), found '{other.Tag}'.",
                other.Path,
                recorded.Length == 0
                    ? "Leave out the folders, or make the template of a guest that has them: a clone has the slots of its template's guest."
                    : "Give it one of those tags (Tag).");
        }

        return recorded.Select(tag => Array.Find(folders, folder => folder.Tag == tag) is { } given ? Plan(given) : PlanAbsent(tag));
    }

    /// <inheritdoc/>
    public Func<VirtioPort, IVirtioDevice>? Show(string role, GuestTemplate template) =>
        IsRole(role) ? port => new Virtio9p(port, new SharedFolder(role[RolePrefix.Length..], new AbsentFolder())) : null;

    /// <summary>Opens a folder of the host's.</summary>
    /// <exception cref="GuestException">It cannot be had.</exception>
    public IFolderServer Open(GuestSharedFolderOptions folder) => _open(folder);

    private static bool IsRole(string role) => role.StartsWith(RolePrefix, StringComparison.Ordinal);

    private static GuestDevicePlan PlanAbsent(string tag) =>
        new(RoleOf(tag), _ => new FolderInSlot(RoleOf(tag), new SharedFolder(tag, new AbsentFolder()), options: null));

    private static void CheckTags(GuestSharedFolderOptions[] folders)
    {
        foreach (GuestSharedFolderOptions folder in folders)
        {
            bool isTag = SlotNames.IsName(folder.Tag!, LongestTag);
            if (!isTag || folders.Count(other => other.Tag == folder.Tag) > 1)
            {
                throw new GuestException(
                    GuestErrorIds.SharedFolderTagInvalid,
                    $"Expected tags of shared folders of 1 to {LongestTag} letters, digits, '-', '.' and '_', each once, found "
                    + $"'{VisibleText.Of(folder.Tag!)}'"
                    + $"{(isTag ? " twice" : "")}.",
                    folder.Path,
                    "Give other tags, or none: folders are folder0, folder1 and so on then.");
            }
        }
    }

    private static FolderServer OpenOnHost(GuestSharedFolderOptions folder)
    {
        try
        {
            return FolderServer.Open(folder.Path, folder.ReadOnly, folder.Owners);
        }
        catch (IOException failure)
        {
            throw new GuestException(
                GuestErrorIds.SharedFolderUnavailable,
                $"Shared folder '{folder.Tag}': expected a folder at '{folder.Path}' that can be opened, found: "
                    + $"{failure.Message.TrimEnd('.')}.",
                folder.Path,
                "Give a folder that is there, and that who runs this process may open.",
                failure);
        }
    }

    private GuestDevicePlan Plan(GuestSharedFolderOptions folder) =>
        new(RoleOf(folder.Tag!), _ => new FolderInSlot(RoleOf(folder.Tag!), new SharedFolder(folder.Tag!, Open(folder)), folder));
}
