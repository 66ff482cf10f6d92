using System.Text.Json;
using PsVm.Machine.Devices;
using PsVm.Machine.Devices.VhostUser;
using PsVm.Machine.Devices.Virtio;

namespace PsVm.Machine.Board.Slots;

/// <summary>
/// Devices whose work another process does. In a template they are as detached: what is in that process is nothing that a clone could have.
/// </summary>
internal sealed class VhostUserDevices : IGuestDeviceKind
{
    private const string FileSystemRole = "vhost-user-fs:", BlockRole = "vhost-user-blk:"; // as QEMU calls them
    private const int LongestTag = 36, LongestSocket = 107;

    private static readonly MemoryConsumer[] s_consumers = [MemoryConsumer.VhostUserDevice];

    // Debian 12 has virtiofsd beside QEMU, later ones in a package of its own.
    private static readonly string[] s_fileSystemDaemons = ["virtiofsd", "/usr/libexec/virtiofsd", "/usr/lib/qemu/virtiofsd"];
    private static readonly string[] s_blockDaemons = ["qemu-storage-daemon"];

    // The longest that a daemon's answer may take.
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(5);

    /// <inheritdoc/>
    public IEnumerable<GuestDevicePlan> Plan(GuestOptions options, GuestTemplate? template)
    {
        if (options.VhostUser.Count == 0)
        {
            return [.. (template?.Slots ?? []).Where(role => TraitsOf(role) is not null).Select(
                role => new GuestDevicePlan(role, _ => Detached(role)))];
        }

        if (template is not null)
        {
            throw new GuestException(
                GuestErrorIds.VhostUserOptionConflict,
                $"Expected shared memory for devices of other processes, found a clone of '{template.Path}', whose memory is its own.",
                template.Path,
                "Boot a guest on shared memory for it, or share a folder with the clone without another process (SharedFolder).");
        }

        GuestVhostUserOptions[] devices =
            [.. options.VhostUser.Select((device, place) => device.Tag is null ? device with { Tag = $"vhost{place}" } : device)];
        foreach (GuestVhostUserOptions device in devices)
        {
            Check(device, isTwice: devices.Count(other => other.Tag == device.Tag) > 1);
        }

        return [.. devices.Select(device => new GuestDevicePlan(RoleOf(device), _ => Open(device))
        {
            Consumers = s_consumers,
            Check = _ => CheckPresent(device),
        })];
    }

    /// <inheritdoc/>
    public Func<VirtioPort, IVirtioDevice>? Show(string role, GuestTemplate template) =>
        TraitsOf(role) is { } traits ? port => new DetachedDevice(port, traits, TagOf(role)) : null;

    private static string RoleOf(GuestVhostUserOptions device) =>
        (device.Kind == VhostUserKind.FileSystem ? FileSystemRole : BlockRole) + device.Tag;

    private static VhostTraits? TraitsOf(string role) => role.StartsWith(FileSystemRole, StringComparison.Ordinal) ? VhostTraits.FileSystem
        : role.StartsWith(BlockRole, StringComparison.Ordinal) ? VhostTraits.Block : null;

    private static string TagOf(string role) =>
        role[(role.IndexOf(':', StringComparison.Ordinal) + 1)..] is var tag && tag.Length <= LongestTag ? tag : "";

    private static DetachedInSlot Detached(string role) => new(role, TraitsOf(role)!, TagOf(role));

    /// <summary>Arguments of the daemon that is started, of the path of its socket.</summary>
    public static Func<string, IReadOnlyList<string>> ArgumentsOf(GuestVhostUserOptions device)
    {
        if (device.Kind == VhostUserKind.FileSystem)
        {
            return socket => [$"--socket-path={socket}", "-o", $"source={device.Path}", .. device.Arguments];
        }

        // As JSON, in which no character of a path has a meaning.
        string file = JsonSerializer.Serialize(new Dictionary<string, object>
        {
            ["driver"] = "file", ["node-name"] = "file", ["filename"] = device.Path!, ["read-only"] = device.ReadOnly,
            ["discard"] = "unmap",
        });
        string format = JsonSerializer.Serialize(new Dictionary<string, object>
        {
            ["driver"] = device.Format ?? "qcow2", ["node-name"] = "disk", ["file"] = "file", ["read-only"] = device.ReadOnly,
            ["discard"] = "unmap",
        });
        return socket =>
        [
            "--blockdev", file, "--blockdev", format, "--export", JsonSerializer.Serialize(new Dictionary<string, object>
            {
                ["type"] = "vhost-user-blk",
                ["id"] = "disk",
                ["node-name"] = "disk",
                ["writable"] = !device.ReadOnly,
                ["addr"] = new Dictionary<string, string> { ["type"] = "unix", ["path"] = socket },
            }),
            .. device.Arguments,
        ];
    }

    private static void Check(GuestVhostUserOptions device, bool isTwice)
    {
        bool isTag = SlotNames.IsName(device.Tag!, LongestTag);
        if (!isTag || isTwice)
        {
            throw new GuestException(
                GuestErrorIds.VhostUserTagInvalid,
                $"Expected tags of 1 to {LongestTag} letters, digits, '-', '.' and '_', each once, found '{VisibleText.Of(device.Tag!)}'"
                + $"{(isTag ? " twice" : "")}.",
                device.Tag,
                "Give other tags, or none: devices are vhost0, vhost1 and so on then.");
        }

        bool isFolder = device.Kind == VhostUserKind.FileSystem;
        (string Found, string Action)? wrong = device switch
        {
            { Socket: null, Path: null } => ("neither Socket nor Path", "Give the Socket of a daemon, or the Path to start one on."),
            { Socket: not null, Path: not null } =>
                ("Socket and Path", "Give the Socket of a daemon, or the Path to start one on, not both."),
            { Socket: { } path } when System.Text.Encoding.UTF8.GetByteCount(path) > LongestSocket =>
                ($"a Socket whose path is longer than {LongestSocket} bytes", "Put the socket into a folder with a shorter path."),
            { Socket: not null } when device.Daemon is not null || device.Arguments.Count > 0 || device.Format is not null
                || device.ReadOnly =>
                ("Socket with Daemon, Arguments, Format or ReadOnly", "Leave them out: they are said to the daemon when it is started."),
            { Format: not null } or { ReadOnly: true } when isFolder =>
                ("a folder with Format or ReadOnly", "Leave them out: they are of disks."),
            { Path: { } path } when isFolder && path.AsSpan().ContainsAny(',', '\\') =>
                ("a folder with ',' or '\\' in its path, which virtiofsd does not take", "Give it by a link without them."),
            _ => null,
        };
        if (wrong is var (found, action))
        {
            throw new GuestException(
                GuestErrorIds.VhostUserOptionConflict,
                $"Device '{device.Tag}': expected a Socket or a Path, found {found}.",
                device.Tag,
                action);
        }
    }

    private static void CheckPresent(GuestVhostUserOptions device)
    {
        string path = device.Socket ?? device.Path!;
        bool isThere = device is { Kind: VhostUserKind.FileSystem, Path: not null } ? Directory.Exists(path) : File.Exists(path);
        if (!isThere)
        {
            string what = device.Socket is not null ? "the socket of a daemon"
                : device.Kind == VhostUserKind.FileSystem ? "a folder"
                : "an image";
            throw new GuestException(
                GuestErrorIds.VhostUserUnavailable, $"Device '{device.Tag}': expected {what} at '{path}', found none.", path,
                device.Socket is not null ? "Start the daemon first." : "Give a path that is there.");
        }

        if (device.Path is not null)
        {
            _ = ProgramOf(device);
        }
    }

    private static string ProgramOf(GuestVhostUserOptions device)
    {
        string[] candidates = device switch
        {
            { Daemon: { } given } => [given],
            { Kind: VhostUserKind.FileSystem } => s_fileSystemDaemons,
            _ => s_blockDaemons,
        };
        return ChildProgram.Find(candidates)
            ?? throw new GuestException(
                GuestErrorIds.VhostUserUnavailable,
                $"Device '{device.Tag}': expected the program {string.Join(" or ", candidates.Select(name => $"'{name}'"))}, found none.",
                device.Daemon ?? device.Tag,
                "Install it (on Debian 12: apt install qemu-system-common; later: virtiofsd, qemu-system-common), or name it by Daemon.");
    }

    private static VhostUserInSlot Open(GuestVhostUserOptions device)
    {
        CheckPresent(device);
        IVhostDaemon daemon = device.Socket is { } socket
            ? new SocketDaemon(socket)
            : new ProgramDaemon(ProgramOf(device), ArgumentsOf(device), $"'{device.Path}'");
        VhostTraits traits = device.Kind == VhostUserKind.FileSystem ? VhostTraits.FileSystem : VhostTraits.Block;
        try
        {
            return new VhostUserInSlot(RoleOf(device), device, new VhostFrontEnd(daemon, traits, device.Tag!, s_patience));
        }
        catch (VhostException failure)
        {
            throw new GuestException(
                GuestErrorIds.VhostUserUnavailable,
                $"Device '{device.Tag}': expected a vhost-user daemon for a {traits.Name}, but {failure.Message.TrimEnd('.')}.",
                device.Socket ?? device.Path,
                device.Socket is not null
                    ? "Start the daemon at that socket; it serves one guest at a time."
                    : "See to what the daemon says.",
                failure);
        }
    }
}
