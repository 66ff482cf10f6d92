using PsVm.Machine.Templates;
using PsVm.Machine.Tests.Support;
using PsVm.Memory;
using PsVm.Memory.Tests.Support;

namespace PsVm.Machine.Tests.Templates;

/// <summary>A template has, byte by byte, what its guest reads: whatever the RAM is, and whatever was discarded of it.</summary>
public sealed class RamMatrixTests : TemplateTest
{
    private const int Pages = 8;

    public static TheoryData<string, bool, bool, DiscardPolicy?> Cases
    {
        get
        {
            TheoryData<string, bool, bool, DiscardPolicy?> data = [];
            foreach (string place
                in new[] { "disk", "disk/offset", "tmpfs", "tmpfs/offset", "hugetlbfs", "hugetlbfs/offset", "memfd", "anonymous" })
            {
                foreach (DiscardPolicy? discard
                    in new DiscardPolicy?[] { null, DiscardPolicy.ZeroOverlay, DiscardPolicy.RestoreTemplate, DiscardPolicy.PunchHole })
                {
                    foreach (bool share in new[] { true, false })
                    {
                        data.Add(place, share, false, discard);
                        if (place is not ("memfd" or "anonymous"))
                        {
                            data.Add(place, share, true, discard); // ROM is of a file
                        }
                    }
                }
            }

            return data;
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Cases))]
    public void A_template_has_what_its_guest_reads(string place, bool share, bool readOnly, DiscardPolicy? discard)
    {
        string fileSystem = place.Split('/')[0];
        bool isHuge = fileSystem == "hugetlbfs";
        using HugePages? lent = isHuge ? new HugePages((2 * Pages) + 1) : null;
        using TestFolder folder = new();
        using Mounted? mount = isHuge || fileSystem == "tmpfs" ? PsVm.Memory.Tests.Support.Host.Mount(folder, fileSystem) : null;
        int page = isHuge ? (int)HugePages.Size : Environment.SystemPageSize;
        try
        {
            File.WriteAllBytes(At("kernel"), GuestProgram.Wait);
            Backends.Create(new MemoryBackendOptions { Id = "main", Kind = BackendKind.Anonymous, Size = Memory });
            MemoryBackend block = Create(place, mount?.In("ram") ?? folder.In("ram"), page, share, readOnly);
            string guest = Clone(new GuestOptions { Kernel = At("kernel"), BackendIds = ["main", "block"] });
            Host.Suspend(guest);
            Use(block, page, discard);

            GuestTemplate template = Make(guest, new CheckpointOptions { Path = At("t") });
            AssertIn(template, "main", "block");

            // And again on a clone, whose RAM is private pages and overlays over the template's files.
            string clone = Clone(template);
            Host.Suspend(clone);
            MemoryBackend cloned = Find($"{clone}.block");
            AssertSame(block, Read(cloned));
            Use(cloned, Environment.SystemPageSize, discard);
            AssertIn(Make(clone, new CheckpointOptions { Path = At("full") }), $"{clone}.main", $"{clone}.block");
            GuestTemplate changes = Make(clone, new CheckpointOptions { Path = At("changes"), Differential = true });
            string second = Clone(changes);
            Host.Suspend(second);
            AssertSame(cloned, Read(Find($"{second}.block")));
        }
        finally
        {
            Host.Dispose(); // before its RAM is unmounted
            Backends.Dispose();
        }
    }

    /// <summary>A block of pages with a letter each, but two of zeros; files have them, and other RAM where somebody wrote them.</summary>
    private MemoryBackend Create(string place, string path, int page, bool share, bool readOnly)
    {
        MemoryBackendOptions options = new()
        {
            Id = "block",
            Kind = place switch { "memfd" => BackendKind.Memfd, "anonymous" => BackendKind.Anonymous, _ => BackendKind.File },
            Size = Pages * page,
            Share = share,
            ReadOnly = readOnly,
        };
        if (options.Kind != BackendKind.File)
        {
            MemoryBackend made = Backends.Create(options);
            Fill(made);
            return made;
        }

        int before = place.EndsWith("/offset", StringComparison.Ordinal) ? page : 0;
        using (MemoryBackend file = Backends.Create(new() { Id = "file", Path = path, Size = options.Size + before, Share = true }))
        {
            Bytes(file, 0, before).Fill((byte)'X');
            Fill(file);
        }

        // So that every policy can be had where the mapping allows it.
        FileAccessMode mode = readOnly ? FileAccessMode.Auto : FileAccessMode.ReadWrite;
        return Backends.Create(options with { Path = path, Offset = before, FileAccessMode = mode });

        void Fill(MemoryBackend backend)
        {
            for (int i = 0; i < Pages; i++)
            {
                if (i is not (3 or 6))
                {
                    Bytes(backend, backend.Size - options.Size + (i * page), page).Fill((byte)('a' + i));
                }
            }
        }
    }

    /// <summary>Writes, discards what was written and what was not, and writes again.</summary>
    private static void Use(MemoryBackend backend, int page, DiscardPolicy? discard)
    {
        Write(1, 'A');
        Write(2, 'B');
        Write(7, '\0'); // zeros where the file has others
        if (discard is not null)
        {
            try
            {
                backend.Discard(2 * page, 3 * page, discard);
            }
            catch (MemoryBackendException refused)
            {
                // Which mappings take which policy is what DiscardMatrixTests tells; what must not be is that a refusal changes anything.
                Assert.Contains(refused.ErrorId, new[]
                {
                    MemoryErrorIds.DiscardPolicyNeedsPrivateMapping, MemoryErrorIds.RestoreTemplateNeedsFile,
                    MemoryErrorIds.PunchHoleNeedsWritableFile,
                    MemoryErrorIds.DiscardDenied,
                });
            }
        }

        Write(4, 'C');

        void Write(int number, char letter)
        {
            if (!backend.Options.ReadOnly)
            {
                Bytes(backend, number * page, page).Fill((byte)letter);
            }
        }
    }

    private void AssertIn(GuestTemplate template, params string[] ids)
    {
        foreach ((TemplateRamBlock block, string id) in template.RamBlocks.Zip(ids))
        {
            AssertSame(Find(id), File.ReadAllBytes(block.File));
        }

        Assert.Equal(ids.Length, template.RamBlocks.Count);
        Assert.Empty(GuestTemplates.Test(template.Path).Errors);
    }

    private static void AssertSame(MemoryBackend expected, ReadOnlySpan<byte> found)
    {
        Assert.Equal(expected.Size, found.Length);
        int first = Bytes(expected, 0, found.Length).CommonPrefixLength(found);
        Assert.True(first == found.Length, $"{expected.Id} differs from byte {first} on");
    }

    private static byte[] Read(MemoryBackend backend) => Bytes(backend, 0, (int)backend.Size).ToArray();

    // Safety: the range lies inside the backend, which lives until the test ends and whose guest is suspended.
    private static unsafe Span<byte> Bytes(MemoryBackend backend, long offset, int length)
    {
        Assert.InRange(offset + length, 0, backend.Size);
        return new((byte*)backend.Address + offset, length);
    }

    private MemoryBackend Find(string id) => Backends.List().Single(backend => backend.Id == id);
}
