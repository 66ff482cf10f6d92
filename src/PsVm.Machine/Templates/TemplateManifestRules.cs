using PsVm.Machine.Board;
using PsVm.Machine.Devices.Networks;
using PsVm.Memory.Files;

namespace PsVm.Machine.Templates;

/// <summary>What the format says of a manifest, beyond the types of its properties. Pure.</summary>
internal static class TemplateManifestRules
{
    /// <summary>The most UTF-16 code units of a name or the like.</summary>
    public const int LongestText = 1024;

    private const int MostBlocks = 64;
    private const int MostDevices = 1024;
    private const int MostSlots = 64;
    private const int LongestRole = 64;
    private const string DiskRole = "disk:", NetworkRole = "net:";
    private const int LongestPath = 4096;
    private const string NoTimeOfStatus = "no changedNanoseconds";
    private const string BadText = "blank, too long, or not a line that shows as it is";

    // The least that a block's size and place are multiples of, whatever page size its backend had.
    private const long PageSize = 4096;

    /// <summary>What is wrong with a manifest.</summary>
    /// <returns>What was found; null: nothing.</returns>
    public static string? FirstBroken(TemplateManifest manifest) =>
        manifest.FormatVersion == 0 ? "formatVersion 0"
        : manifest.Id == Guid.Empty ? "an id of zeros"
        : manifest.Harts is < 1 or > MemoryMap.MaxHarts ? $"{manifest.Harts} harts, expected 1 to {MemoryMap.MaxHarts}"
        : FirstBadText(manifest)
        ?? FirstBadDevice(manifest.Devices)
        ?? FirstBadSlot(manifest)
        ?? FirstBadBlock(manifest)
        ?? FirstBadDisk(manifest)
        ?? FirstBadNetwork(manifest)
        ?? FirstBadParent(manifest);

    private static string? FirstBadText(TemplateManifest manifest) =>
        new (string Property, string Text)[]
        {
            ("guest", manifest.Guest), ("machineType", manifest.MachineType), ("board", manifest.Board), ("isa", manifest.Isa),
            ("boot", manifest.Boot),
        }.Where(text => !IsText(text.Text))
        .Select(text => $"{text.Property} that is {BadText}")
        .FirstOrDefault();

    /// <summary>Text that says something, and that a terminal shows as it is.</summary>
    private static bool IsText(string text) =>
        !string.IsNullOrWhiteSpace(text) && text.Length <= LongestText && VisibleText.IsLine(text);

    private static string? FirstBadDevice(IReadOnlyList<string> devices) =>
        devices.Count > MostDevices ? $"{devices.Count} devices"
        : devices.Any(device => !IsText(device)) ? $"a device whose name is {BadText}"
        : devices.Distinct().Count() != devices.Count ? "a device that is named twice"
        : null;

    private static string? FirstBadSlot(TemplateManifest manifest) => manifest switch
    {
        { Slots: null, FormatVersion: < TemplateManifest.VersionWithSlots } => null,
        { FormatVersion: < TemplateManifest.VersionWithSlots } => $"slots, which no version before {TemplateManifest.VersionWithSlots} has",
        { Slots: null or [] } => $"no slots, which version {manifest.FormatVersion} has",
        { Slots.Count: > MostSlots } => $"{manifest.Slots.Count} slots",
        { Slots: var slots } when !slots.All(IsRole) => $"a slot whose content is no role of 1 to {LongestRole} letters, digits and '-._:'",
        { Slots: var slots } when slots.Distinct().Count() != slots.Count => "two slots of the same role",
        _ => null,
    };

    private static bool IsRole(string? role) => role is { Length: > 0 and <= LongestRole }
        && role.All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '-' or '.' or '_' or ':');

    private static string? FirstBadBlock(TemplateManifest manifest)
    {
        IReadOnlyList<RamBlockManifest> blocks = manifest.Ram;
        if (blocks.Count is 0 or > MostBlocks)
        {
            return $"{blocks.Count} blocks of RAM, expected 1 to {MostBlocks}";
        }

        long memory = 0;
        for (int i = 0; i < blocks.Count; i++)
        {
            if ((FirstBroken(blocks[i], manifest.Parent is not null) ?? FirstBrokenOf(blocks[i], manifest.FormatVersion)) is { } broken)
            {
                return $"block {i} of ram with {broken}";
            }

            if (blocks[i].Size > long.MaxValue - memory)
            {
                return "blocks of ram whose sizes have no sum";
            }

            memory += blocks[i].Size;
        }

        string[] ids = [.. blocks.Select(block => block.BackendId)];
        string[] own = [.. blocks.Select(block => block.File).Where(file => !Path.IsPathRooted(file))];
        return ids.Distinct(StringComparer.OrdinalIgnoreCase).Count() != ids.Length ? "a backendId that occurs twice"
            : own.Distinct().Count() != own.Length ? "a file that holds two blocks"
            : null;
    }

    /// <summary>Each disk is in a slot, and in each slot of a disk is one that is described.</summary>
    private static string? FirstBadDisk(TemplateManifest manifest)
    {
        IReadOnlyList<DiskManifest?> disks = manifest.Disks ?? [];
        return disks.Any(disk => disk is null) ? "a disk with nothing in it"
            : !(manifest.Slots ?? [])
                .Where(IsDisk)
                .Order()
                .SequenceEqual(disks.Select(disk => DiskRole + disk!.Name).Order()) ? "other disks than in slots"
            : disks.Select(disk => FirstBroken(disk!)).FirstOrDefault(broken => broken is not null) is { } broken ? $"a disk with {broken}"
            : FirstBadDiskFile(manifest);

        static bool IsDisk(string role) => role.StartsWith(DiskRole, StringComparison.Ordinal);
    }

    /// <summary>A disk's file is the template's own and no other's, and there are some in version 4 alone.</summary>
    private static string? FirstBadDiskFile(TemplateManifest manifest)
    {
        (DiskManifest Disk, DiskFileManifest File)[] files =
            [.. (manifest.Disks ?? []).Where(disk => disk.Written is not null).Select(disk => (disk, disk.Written!))];
        string[] names = [.. manifest.Ram.Select(block => block.File).Concat(files.Select(file => file.File.File))];
        return files.Length > 0 != (manifest.FormatVersion >= TemplateManifest.Version)
                ? $"{files.Length} files of disks, which version {TemplateManifest.Version} has and none before"
            : names.Distinct().Count() != names.Length && files.Length > 0 ? "a file that is that of two"
            : files.Select(file => FirstBroken(file.Disk, file.File)).FirstOrDefault(broken => broken is not null) is { } broken
                ? $"a file of a disk with {broken}"
            : null;
    }

    private static string? FirstBroken(DiskManifest disk, DiskFileManifest file) => file switch
    {
        _ when disk.ReadOnly => "what a guest that could not write it had written",
        { File: var name } when Path.IsPathRooted(name) || !IsFileName(name) => $"the file '{name}', which is no name in the folder",
        { FileSize: var size } when size <= disk.FileSize || size % PageSize != 0 => $"fileSize {size}",
        { Bytes: var bytes } when bytes <= 0 || bytes % PageSize != 0 || bytes > file.FileSize => $"bytes {bytes}",
        { ChangedNanoseconds: null } => NoTimeOfStatus,
        { ModifiedNanoseconds: < 0 } or { ChangedNanoseconds: < 0 } => "a time before 1970",
        { Digest: var digest } when !IsSha256(digest) => "a digest that is none",
        _ => null,
    };

    /// <summary>Each adapter is in a slot, and in each slot of an adapter is one that is described.</summary>
    private static string? FirstBadNetwork(TemplateManifest manifest)
    {
        IReadOnlyList<NetworkManifest?> networks = manifest.Networks ?? [];
        return networks.Any(network => network is null) ? "a network adapter with nothing in it"
            : !(manifest.Slots ?? []).Where(IsNetwork).Order()
                .SequenceEqual(networks.Select(network => NetworkRole + network!.Name).Order())
                ? "other network adapters than in slots"
            : networks.Select(network => FirstBroken(network!))
                .FirstOrDefault(broken => broken is not null) is { } broken ? $"a network adapter with {broken}"
            : null;

        static bool IsNetwork(string role) => role.StartsWith(NetworkRole, StringComparison.Ordinal);
    }

    private static string? FirstBroken(NetworkManifest network) => network switch
    {
        { Mac: var mac } when !MacAddress.TryParse(mac, out MacAddress address) || address.ToString() != mac => "a mac that is none",
        { Mtu: < 68 or > 65535 } => $"mtu {network.Mtu}",
        { Hub: { } hub } when !IsRole(hub) => "a hub whose name is none",
        _ => null,
    };

    private static string? FirstBroken(DiskManifest disk) => disk switch
    {
        { FileSize: var size } when size <= 0 || size % DiskFile.SectorSize != 0 => $"fileSize {size}",
        { ChangedNanoseconds: null } => NoTimeOfStatus,
        { ModifiedNanoseconds: < 0 } or { ChangedNanoseconds: < 0 } => "a time before 1970",
        { Digest: { } digest } when !IsSha256(digest) => "a digest that is none",
        _ => null,
    };

    private static string? FirstBroken(RamBlockManifest? block, bool differential) => block switch
    {
        null => "nothing in it",
        { BackendId: var id } when !IsText(id) => $"a backendId that is {BadText}",
        { Size: var size } when size <= 0 || size % PageSize != 0 => $"size {size}",
        { Offset: var offset } when offset < 0 || offset % PageSize != 0 => $"offset {offset}",
        { FileSize: var file } when file < block.Size || file - block.Size < block.Offset => $"fileSize {file}",
        { File: var file } when !Path.IsPathRooted(file) && (block.Offset != 0 || block.FileSize != block.Size) =>
            "a file of its own that is larger or smaller than the block",
        { ModifiedNanoseconds: < 0 } or { ChangedNanoseconds: < 0 } => "a time before 1970",
        { File: var file } when !IsFileName(file) => $"the file '{file}', which is neither a name in the folder nor a full path",
        { Sha256: { } hash } when !IsSha256(hash) => "a sha256 that is none",
        { Digest: { } digest } when !IsSha256(digest) => "a digest that is none",
        { ChangedBytes: null } when differential => "no changedBytes, which a template with a parent has",
        { ChangedBytes: not null } when !differential => "changedBytes, which only a template with a parent has",
        { ChangedBytes: { } changed } when changed < 0 || changed > block.Size || changed % PageSize != 0 => $"changedBytes {changed}",
        _ => null,
    };

    /// <summary>What came with version 2, and what it always has.</summary>
    private static string? FirstBrokenOf(RamBlockManifest block, uint version) => (version, block) switch
    {
        (1, { Digest: null, ChangedNanoseconds: null }) => null,
        (1, _) => "digest or changedNanoseconds, which version 1 does not have",
        (_, { Digest: null } or { ChangedNanoseconds: null }) => "no digest or changedNanoseconds, which version 2 has",
        _ => null,
    };

    private static bool IsSha256(string text) => text.Length == 64 && text.All(char.IsAsciiHexDigitLower);

    private static string? FirstBadParent(TemplateManifest manifest) => manifest.Parent switch
    {
        null => null,
        { Id: var id } when id == Guid.Empty || id == manifest.Id => "a parent with an id of zeros, or its own",
        { Path: var path } when !IsFullPath(path) => "a parent without a full path",
        _ => null,
    };

    /// <summary>A plain name, which leads nowhere else, or a full path as it is written in full.</summary>
    private static bool IsFileName(string file) => Path.IsPathRooted(file)
        ? IsFullPath(file)
        : file.Length is > 0 and <= LongestPath && file is not ("." or "..") && !file.AsSpan().ContainsAny('/', '\0')
            && file is not (TemplateSource.ManifestFile or TemplateSource.StateFileName);

    private static bool IsFullPath(string? path) => path is { Length: > 1 and <= LongestPath } && path[0] == '/'
        && !path.Contains('\0', StringComparison.Ordinal) && Path.GetFullPath(path) == path && path[^1] != '/';
}
