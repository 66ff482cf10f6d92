namespace PsVm;

/// <summary>A property of QEMU's memory backends and what becomes of it here.</summary>
/// <remarks>
/// Source: QEMU's <c>qapi/qom.json</c> (MemoryBackendProperties, MemoryBackendFileProperties, MemoryBackendMemfdProperties), and what
/// <c>qemu-system-riscv64 -object memory-backend-file,help</c> prints.
/// </remarks>
/// <param name="Name">Its name.</param>
/// <param name="Kinds">The backends that have it.</param>
/// <param name="Since">The first version of QEMU that has it.</param>
/// <param name="Here">What it is here, or why it is refused, in words.</param>
public sealed record QemuProperty(string Name, IReadOnlyList<BackendKind> Kinds, Version Since, string Here)
{
    private static readonly BackendKind[] s_all = [BackendKind.File, BackendKind.Memfd, BackendKind.Anonymous];
    private static readonly BackendKind[] s_file = [BackendKind.File];
    private static readonly BackendKind[] s_memfd = [BackendKind.Memfd];
    private static readonly Version s_old = new(2, 12);

    /// <summary>All properties, by name.</summary>
    public static IReadOnlyList<QemuProperty> All { get; } =
    [
        new("align", s_file, s_old, "Align"),
        new("discard-data", s_file, s_old, "off is accepted. on is refused: it throws the file's content away when the backend goes"),
        new("dump", s_all, s_old, "Dump"),
        new("host-nodes", s_all, s_old, "HostNodes"),
        new("hugetlb", s_memfd, s_old, "off is accepted. on is refused: huge pages come from a directory on hugetlbfs, given as Path"),
        new("hugetlbsize", s_memfd, s_old, "means nothing without hugetlb=on"),
        new("mem-path", s_file, s_old, "Path"),
        new("merge", s_all, s_old, "Merge"),
        new("offset", s_file, new Version(8, 1), "Offset"),
        new("pmem", s_file, new Version(3, 1), "off is accepted. on is refused: stores are not flushed to persistent memory here"),
        new("policy", s_all, s_old, "NumaPolicy"),
        new("prealloc", s_all, s_old, "Prealloc; on a private mapping with ForcePrealloc, since QEMU copies every page"),
        new("prealloc-context", s_all, new Version(7, 2), "refused: threads that preallocate cannot be placed here"),
        new("prealloc-threads", s_all, new Version(5, 0), "PreallocThreads"),
        new("readonly", s_file, new Version(6, 0), "FileAccessMode: on is ReadOnly, off is ReadWrite"),
        new("reserve", s_all, new Version(6, 1), "Reserve"),
        new("rom", s_file, new Version(8, 2), "ReadOnly; auto is what readonly says"),
        new("seal", s_memfd, s_old, "accepted: a memfd here has no name by which another could resize it"),
        new("share", s_all, s_old, "Share"),
        new("size", s_all, s_old, "Size"),
        new("x-use-canonical-path-for-ramblock-id", s_all, new Version(4, 0), "accepted: it names RAM in QEMU's migration streams alone"),
    ];

    /// <summary>A property of a kind of backend; null: it has none of that name. Case counts, as it does in QEMU.</summary>
    public static QemuProperty? Find(BackendKind kind, string name) =>
        All.FirstOrDefault(property => property.Name == name && property.Kinds.Contains(kind));

    /// <summary>QEMU's name for a kind of backend.</summary>
    public static string ObjectOf(BackendKind kind) => kind switch
    {
        BackendKind.File => "memory-backend-file",
        BackendKind.Memfd => "memory-backend-memfd",
        _ => "memory-backend-ram",
    };
}
