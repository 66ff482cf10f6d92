using PsVm.Memory.Tests.Support;
using Xunit.Abstractions;

namespace PsVm.Memory.Tests.Discarding;

/// <summary>
/// Each policy on each kind of mapping. The block has four pages that hold F, the guest has written G to the first two, and the two in
/// the middle are discarded: one that it wrote and one that it did not.
/// </summary>
public sealed class DiscardMatrixTests(ITestOutputHelper output) : BackendTest
{
    // Four letters: what a reader finds in the four pages, 0 for zeros. Then the pages the host got back, or an error id.
    private const string Table =
        """
        mapping            policy           guest  file  other  freed
        shared/ext4        Auto             G00F   G00F  G00F   2
        shared/ext4        PunchHole        G00F   G00F  G00F   2
        shared/ext4        ZeroOverlay      DiscardPolicyNeedsPrivateMapping
        shared/ext4        RestoreTemplate  DiscardPolicyNeedsPrivateMapping
        shared/ext4        Deny             DiscardDenied
        shared/tmpfs       Auto             G00F   G00F  G00F   2
        shared/memfd       Auto             G00F   G00F  G00F   2
        shared/memfd       PunchHole        G00F   G00F  G00F   2
        shared/memfd       ZeroOverlay      DiscardPolicyNeedsPrivateMapping
        shared/memfd       RestoreTemplate  DiscardPolicyNeedsPrivateMapping
        shared/memfd       Deny             DiscardDenied
        shared/hugetlbfs   Auto             G00F   G00F  G00F   2
        shared/hugetlbfs   PunchHole        G00F   G00F  G00F   2
        shared/hugetlbfs   ZeroOverlay      DiscardPolicyNeedsPrivateMapping
        shared/hugetlbfs   RestoreTemplate  DiscardPolicyNeedsPrivateMapping
        shared/hugetlbfs   Deny             DiscardDenied
        private/ext4       Auto             G00F   FFFF  FFFF   1
        private/ext4       ZeroOverlay      G00F   FFFF  FFFF   1
        private/ext4       RestoreTemplate  GFFF   FFFF  FFFF   1
        private/ext4       PunchHole        PunchHoleNeedsWritableFile
        private/ext4       Deny             DiscardDenied
        private/ext4/rw    Auto             G00F   FFFF  FFFF   1
        private/ext4/rw    ZeroOverlay      G00F   FFFF  FFFF   1
        private/ext4/rw    RestoreTemplate  GFFF   FFFF  FFFF   1
        private/ext4/rw    PunchHole        G00F   F00F  F00F   3
        private/ext4/rw    Deny             DiscardDenied
        private/tmpfs/rw   PunchHole        G00F   F00F  F00F   3
        private/memfd      Auto             G000   0000  0000   2
        private/memfd      RestoreTemplate  G000   0000  0000   2
        private/memfd      PunchHole        G000   0000  0000   4
        private/memfd      Deny             DiscardDenied
        private/hugetlbfs  Auto             G00F   FFFF  FFFF   1
        private/hugetlbfs  ZeroOverlay      G00F   FFFF  FFFF   1
        private/hugetlbfs  RestoreTemplate  GFFF   FFFF  FFFF   1
        private/hugetlbfs  PunchHole        G00F   F00F  F00F   3
        private/hugetlbfs  Deny             DiscardDenied
        private/anonymous  Auto             G000   -     -      2
        private/anonymous  ZeroOverlay      G000   -     -      2
        private/anonymous  PunchHole        G000   -     -      2
        private/anonymous  RestoreTemplate  RestoreTemplateNeedsFile
        private/anonymous  Deny             DiscardDenied
        shared/anonymous   Auto             G000   -     -      2
        shared/anonymous   ZeroOverlay      G000   -     -      2
        shared/anonymous   PunchHole        G000   -     -      2
        shared/anonymous   RestoreTemplate  RestoreTemplateNeedsFile
        shared/anonymous   Deny             DiscardDenied
        rom/private/ext4   Auto             F00F   FFFF  FFFF   0
        rom/private/ext4   RestoreTemplate  FFFF   FFFF  FFFF   0
        rom/shared/ext4    Auto             DiscardDenied
        rom/shared/ext4    PunchHole        PunchHoleNeedsWritableFile
        """;

    public static TheoryData<string, DiscardPolicy, string, string> Cases()
    {
        var cases = new TheoryData<string, DiscardPolicy, string, string>();
        foreach (var cells in TextTable.Rows(Table))
        {
            foreach (var given in new[] { "to the backend", "to the discard" })
            {
                cases.Add(cells[0], Enum.Parse<DiscardPolicy>(cells[1]), string.Join(' ', cells.Skip(2)), given);
            }
        }

        return cases;
    }

    [SkippableTheory]
    [MemberData(nameof(Cases))]
    public void Does_what_the_table_says(string mapping, DiscardPolicy policy, string expected, string given)
    {
        var words = mapping.Split('/');
        var isHuge = words.Contains("hugetlbfs");
        using var pages = isHuge ? new HugePages(16) : null;
        using var mount = isHuge || words.Contains("tmpfs") ? Host.Mount(Folder, isHuge ? "hugetlbfs" : "tmpfs") : null;
        var page = isHuge ? (int)HugePages.Size : Make.Page;
        using var test = new Block(Backends, mapping, mount?.Path ?? Folder.Path, page);

        string Act()
        {
            var toBackend = given == "to the backend";
            using var backend = test.Create(toBackend ? policy : DiscardPolicy.Auto);
            test.GuestWrites(backend);
            var outcome = backend.Discard(page, 2 * page, toBackend ? null : policy);
            Assert.Equal((backend.Id, page, 2L * page), (outcome.BackendId, outcome.Offset, outcome.BytesAsked));
            Assert.Null(outcome.WhyNotFreed);
            return $"{test.Reads(backend)} {test.InFile()} {test.InOtherMapping()} {outcome.BytesFreed / page}";
        }

        string result;
        try
        {
            result = Act();
        }
        catch (MemoryBackendException error)
        {
            result = error.ErrorId;
        }

        output.WriteLine($"{mapping,-18} {policy,-16} {given}: {result}");
        Assert.Equal(expected, result);
    }

    /// <summary>A block of four pages, and what can be seen of it from elsewhere.</summary>
    private sealed class Block(MemoryBackends backends, string mapping, string folder, int page) : IDisposable
    {
        private readonly string _path = Path.Combine(folder, "ram");
        private MemoryBackend? _other;

        private bool Has(string word) => mapping.Split('/').Contains(word);

        public MemoryBackend Create(DiscardPolicy policy)
        {
            var options = new MemoryBackendOptions
            {
                Kind = Has("memfd") ? BackendKind.Memfd : Has("anonymous") ? BackendKind.Anonymous : BackendKind.File,
                Size = 4 * page, Share = Has("shared"), AllowSharedWriters = true, ReadOnly = Has("rom"), DiscardPolicy = policy,
                FileAccessMode = Has("rw") ? FileAccessMode.ReadWrite : FileAccessMode.Auto,
            };
            if (options.Kind != BackendKind.File)
            {
                var backend = backends.Create(options);
                if (Has("memfd"))
                {
                    Watch($"/proc/self/fd/{DescriptorOf(backend)}");
                }

                return backend;
            }

            Watch(_path);
            _other!.Bytes(0, 4 * page).Fill(TestFolder.Fill);
            return backends.Create(options with { Path = _path });
        }

        public void GuestWrites(MemoryBackend backend)
        {
            if (mapping is "shared/memfd")
            {
                backend.Bytes(0, 4 * page).Fill(TestFolder.Fill);
            }

            if (!Has("rom"))
            {
                backend.Bytes(0, 2 * page).Fill((byte)'G');
            }

            if (Has("anonymous") || mapping is "private/memfd")
            {
                // Nothing is behind it, so the second page that is discarded has to be written too.
                backend.Bytes(2 * page, page).Fill((byte)'G');
            }
        }

        public string Reads(MemoryBackend backend) => Letters(backend.Bytes(0, 4 * page));

        public string InFile() => _other is null ? "-" : Letters(System.IO.File.ReadAllBytes(_other.Outcome.Path!));

        public string InOtherMapping() => _other is null ? "-" : Letters(_other.Bytes(0, 4 * page));

        public void Dispose() => _other?.Dispose();

        /// <summary>Maps the file as another user would.</summary>
        private void Watch(string path) =>
            _other = backends.Create(new() { Path = path, Size = 4 * page, Share = true, AllowSharedWriters = true });

        private static string DescriptorOf(MemoryBackend backend) => Path.GetFileName(Directory.EnumerateFiles("/proc/self/fd")
            .First(fd => new FileInfo(fd).LinkTarget?.Contains($"memfd:{backend.Id} ", StringComparison.Ordinal) == true));

        private string Letters(Span<byte> bytes)
        {
            var letters = string.Empty;
            for (var i = 0; i < 4; i++)
            {
                letters += bytes.Slice(i * page, page).Value() switch { null => '?', 0 => '0', var letter => (char)letter };
            }

            return letters;
        }
    }
}
