using PsVm.Memory.Native;

namespace PsVm.Memory.Files;

/// <summary>What statfs(2) says about a file system.</summary>
/// <param name="Name">Its name, or its magic number in hexadecimal.</param>
/// <param name="IsHugeTlb">It is hugetlbfs.</param>
/// <param name="PageSize">Backing page size in bytes: the huge page size on hugetlbfs, else the host's.</param>
/// <param name="AvailableBytes">Bytes an ordinary user may still fill; null where the file system sets no limit.</param>
/// <param name="LargestFile">Bytes that a file can have.</param>
internal sealed record FileSystemFacts(string Name, bool IsHugeTlb, long PageSize, long? AvailableBytes, long LargestFile)
{
    private const long Ext4Magic = 0xEF53;

    private static readonly Dictionary<long, string> Names = new()
    {
        [Ext4Magic] = "ext4",
        [0x01021994] = "tmpfs",
        [LibC.HugetlbfsMagic] = "hugetlbfs",
        [0x58465342] = "xfs",
        [0x9123683E] = "btrfs",
        [0x794C7630] = "overlayfs",
        [0x858458F6] = "ramfs",
        [0x2FC12FC1] = "zfs",
        [0xF2F52010] = "f2fs",
        [0x6969] = "nfs",
        [0x65735546] = "fuse",
        [0x01021997] = "9p",
        [0x4D44] = "vfat",
        [0x73717368] = "squashfs",
        [0xFF534D42] = "cifs",
        [0xFE534D42] = "smb2",
        [0x00C36400] = "ceph",
    };

    /// <summary>The file system keeps its files in memory, so that a private copy is a second one.</summary>
    public bool IsInMemory => Name is "tmpfs" or "ramfs";

    /// <summary>
    /// It is this kernel's alone: what stat(2) says of a file is so now, and need not be asked of a server, which opening a file does.
    /// </summary>
    public bool IsLocal => Name is "ext4" or "xfs" or "btrfs" or "f2fs" or "zfs" or "tmpfs" or "ramfs";

    /// <summary>Its files are a server's, or a process's, which may not answer.</summary>
    public bool IsServed => Name is "nfs" or "fuse" or "9p" or "cifs" or "smb2" or "ceph";

    public static FileSystemFacts From(in LibC.StatFsResult result)
    {
        // The kernel keeps magic numbers in 32 bits.
        var magic = result.Type & 0xFFFFFFFF;
        var hugeTlb = magic == LibC.HugetlbfsMagic;
        return new(
            Names.GetValueOrDefault(magic) ?? $"0x{magic:x}",
            hugeTlb,
            hugeTlb ? result.BlockSize : Environment.SystemPageSize,
            result.Blocks == 0 ? null : (long)result.AvailableBlocks * (result.FragmentSize != 0 ? result.FragmentSize : result.BlockSize),
            // The kernel tells nobody; ext4 is the one in use that has less than a process can map: it counts blocks in 32 bits.
            magic == Ext4Magic ? uint.MaxValue * result.BlockSize : long.MaxValue);
    }
}
