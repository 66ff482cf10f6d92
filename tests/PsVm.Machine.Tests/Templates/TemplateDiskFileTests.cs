using System.Text.Json.Nodes;
using PsVm.Machine.Devices.Disks;
using PsVm.Machine.Templates;
using PsVm.Memory.Copying;
using PsVm.Memory.Tests.Support;

namespace PsVm.Machine.Tests.Templates;

/// <summary>
/// What a guest had written over a disk, when it is too much for a template's state, is a file of the template that all clones read.
/// </summary>
public sealed class TemplateDiskFileTests : TemplateDiskTest
{
    [Theory]
    [InlineData(DiskOverlay.Memory)]
    [InlineData(DiskOverlay.File)]
    public void Clones_read_what_the_guest_wrote_over_64_MiB_and_keep_what_they_write_to_themselves(DiskOverlay overlay)
    {
        byte[] image = ImageBytes(), expected = ImageBytes();
        string guest = BootDisked(overlay);
        Disk disk = Last;
        Write(disk, expected, MiB + 512, Pattern(68 * MiB, 2));
        Write(disk, expected, Size - 512, Pattern(512, 3));
        Assert.True(disk.TryZero(0, 64 << 10, giveBack: false));
        expected.AsSpan(0, 64 << 10).Clear();

        GuestTemplate template = Make(guest, new CheckpointOptions { Path = At("t") });

        Assert.Equal((4, At("t/disk0.bin")), (template.FormatVersion, template.Disks[0].Written!.File));
        Assert.Equal((17409 + 16 + 1) * Block, template.Disks[0].Written!.Bytes);
        Assert.Equal(template.Disks, GuestTemplates.Read(template.Path).Disks);
        Assert.Empty(GuestTemplates.Test(template.Path, verify: true).Errors);
        Assert.InRange(new FileInfo(At("t/state.bin")).Length, 1, 64 << 10);
        Assert.InRange(Allocated(template.Disks[0].Written!.File), 68 * MiB, 70 * MiB); // the zeros are holes

        (string one, Disk first) = CloneDisk(template);
        (string two, Disk second) = CloneDisk(template);
        AssertReads(expected, first);
        byte[] own = [.. expected];
        Write(first, own, 5 * MiB, Pattern(8192, 4));
        AssertReads(own, first);
        AssertReads(expected, second);
        Assert.InRange(Host.GetDisks(one).Single().OverlayBytes, 8192, MiB);
        Assert.Equal(0, second.Overlay!.OwnBytes); // all of it is the template's file
        GuestDisk shown = Host.GetDisks(two).Single();
        Assert.Equal(
            (template.Disks[0].Written!.Bytes, template.Disks[0].Written!.File, 0),
            (shown.TemplateBytes, shown.TemplatePath, shown.OverlayBytes));
        Assert.Equal((0, null), (Host.GetDisks(guest).Single().TemplateBytes, Host.GetDisks(guest).Single().TemplatePath));
        Assert.Equal(DiskOverlay.Memory, Host.GetDisks(two).Single().Overlay);
        AssertReads(expected, disk);
        Assert.Equal(image, ImageBytes());

        Host.Reset(one);
        AssertReads(expected, first);
    }

    [Fact]
    public void A_little_is_in_the_state_as_in_older_versions()
    {
        byte[] expected = ImageBytes();
        string guest = BootDisked();
        Write(Last, expected, 3 * MiB, Pattern(MiB / 2, 2));

        GuestTemplate template = Make(guest, new CheckpointOptions { Path = At("t") });

        Assert.Equal((3, null), (template.FormatVersion, template.Disks[0].Written));
        Assert.DoesNotContain("written", File.ReadAllText(At("t/template.json")), StringComparison.Ordinal);
        Assert.Equal(["ram0.bin", "state.bin", "template.json"], NamesIn("t"));
        AssertReads(expected, CloneDisk(template).Disk);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_template_of_a_clone_has_what_both_wrote_and_needs_no_other_file(bool differential)
    {
        byte[] expected = ImageBytes();
        string guest = BootDisked();
        Write(Last, expected, 0, Pattern(3 * MiB, 2));
        Write(Last, expected, 32 * MiB, Pattern(MiB, 3));
        GuestTemplate below = Make(guest, new CheckpointOptions { Path = At("below") });
        (string clone, Disk disk) = CloneDisk(below);
        Write(disk, expected, 2 * MiB, Pattern(MiB + 4096, 4)); // over some of it, and beyond
        Write(disk, expected, Size - 1024, Pattern(1024, 5));

        GuestTemplate above = Make(clone, new CheckpointOptions { Path = At("above"), Differential = differential });

        Assert.Equal(differential, above.Differential);
        Assert.Equal((768 + 256 + 1 + 2) * Block, above.Disks[0].Written!.Bytes);
        AssertReads(expected, CloneDisk(above).Disk);
        File.Delete(below.Disks[0].Written!.File);
        Assert.Equal(GuestErrorIds.TemplateIncomplete, ErrorOf(() => Clone(Cloned(below))));
        (string again, Disk last) = CloneDisk(above);
        AssertReads(expected, last);

        // A template of one that has written nothing has the same.
        GuestTemplate same = Make(again, new CheckpointOptions { Path = At("same") });
        Assert.Equal(above.Disks[0].Written!.Digest, same.Disks[0].Written!.Digest);
        AssertReads(expected, CloneDisk(same).Disk);
    }

    [Fact]
    public void Copies_archives_and_merged_ones_have_it_and_what_is_removed_takes_it_along()
    {
        byte[] expected = ImageBytes();
        string guest = BootDisked();
        Write(Last, expected, 0, Pattern(2 * MiB, 2));
        GuestTemplate below = Make(guest, new CheckpointOptions { Path = At("below") });
        (string clone, Disk disk) = CloneDisk(below);
        Write(disk, expected, Size - MiB, Pattern(MiB, 3));
        GuestTemplate template = Make(clone, new CheckpointOptions { Path = At("t"), Differential = true });

        GuestTemplate copy = Copy(template.Path, "copy");
        Export(template.Path);
        GuestTemplate imported = Import();
        GuestTemplate merged = Templates.Compress(template.Path, new CompressOptions { Destination = At("merged") });
        GuestTemplate moved = Move(copy.Path, "moved");

        string digest = template.Disks[0].Written!.Digest;
        foreach (GuestTemplate made in new[] { imported, merged, moved })
        {
            Assert.Equal(
                (4, Path.Combine(made.Path, "disk0.bin"), digest),
                (made.FormatVersion, made.Disks[0].Written!.File, made.Disks[0].Written!.Digest));
            Assert.Equal(made.Disks, GuestTemplates.Read(made.Path).Disks);
            Assert.Empty(GuestTemplates.Test(made.Path).Errors);
            Assert.Empty(GuestTemplates.Test(made.Path, verify: true).Errors);
            Assert.Equal(UnixFileMode.None, File.GetUnixFileMode(made.Disks[0].Written!.File) & UnixFileMode.UserWrite);
            AssertReads(expected, CloneDisk(made).Disk);
            GuestTemplates.Remove(made.Path);
            Assert.False(Directory.Exists(made.Path));
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_lazy_start_reads_it_where_it_is_and_its_copy_has_it(bool hasDestination)
    {
        byte[] expected = ImageBytes();
        string guest = BootDisked();
        Write(Last, expected, 0, Pattern(2 * MiB, 2));
        GuestTemplate template = Make(guest, new CheckpointOptions { Path = At("t") });

        string lazy = Clone(Cloned(template) with { Lazy = true, Destination = hasDestination ? At("copy") : null });

        AssertReads(expected, Last);
        Disk disk = Last;
        Assert.True(SpinWait.SpinUntil(() => Host.Get(lazy).Fill!.State == GuestFillState.Complete, Patience));
        if (hasDestination)
        {
            // From then on it needs the source no more.
            Assert.True(SpinWait.SpinUntil(() => Host.GetDisks(lazy).Single().TemplatePath == At("copy/disk0.bin"), Patience));
            File.SetUnixFileMode(At("t/disk0.bin"), UnixFileMode.UserRead | UnixFileMode.UserWrite);
            File.WriteAllBytes(At("t/disk0.bin"), []);
            AssertReads(expected, disk);
            Host.Reset(lazy);
            AssertReads(expected, disk);

            GuestTemplate copy = GuestTemplates.Read(At("copy"));
            Assert.Equal(
                (At("copy/disk0.bin"), template.Disks[0].Written!.Digest), (copy.Disks[0].Written!.File, copy.Disks[0].Written!.Digest));
            AssertReads(expected, CloneDisk(copy).Disk);
        }
    }

    [Theory]
    [InlineData("cut", GuestErrorIds.TemplateDiskChanged)]
    [InlineData("longer", GuestErrorIds.TemplateDiskChanged)]
    [InlineData("flipped", GuestErrorIds.TemplateDiskChanged)]
    [InlineData("gone", GuestErrorIds.TemplateIncomplete)]
    [InlineData("folder", GuestErrorIds.TemplateDiskChanged)]
    [InlineData("link", GuestErrorIds.TemplateDiskChanged)]
    [InlineData("other kind", GuestErrorIds.TemplateStateCorrupt)]
    [InlineData("block beyond", GuestErrorIds.TemplateStateCorrupt)]
    [InlineData("other disk", GuestErrorIds.TemplateStateCorrupt)]
    [InlineData("fewer blocks", GuestErrorIds.TemplateStateCorrupt)]
    public void A_file_that_is_not_what_was_written_is_refused_by_name(string what, string id)
    {
        GuestTemplate template = MakeWritten();
        string file = template.Disks[0].Written!.File;
        File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        switch (what)
        {
            case "gone" or "folder" or "link":
                File.Move(file, At("elsewhere"));
                _ = what == "folder" ? Directory.CreateDirectory(file)
                    : what == "link" ? File.CreateSymbolicLink(file, At("elsewhere"))
                    : null;
                break;
            default:
                using (FileStream open = new(file, FileMode.Open))
                {
                    Spoil(open, what);
                }

                if (id == GuestErrorIds.TemplateStateCorrupt)
                {
                    Believe(template, file); // who makes a file up makes up its digest, too
                }

                break;
        }

        PsVmException refused = Assert.ThrowsAny<PsVmException>(() => Clone(Cloned(template)));
        Assert.Equal(id, refused.ErrorId);
        Assert.Contains(file, refused.Message, StringComparison.Ordinal);
        Assert.Contains("found", refused.Message, StringComparison.Ordinal);
        Assert.Contains(id, GuestTemplates.Test(template.Path).Errors.Select(error => error.Id));
        Assert.Equal(id, ErrorOf(() => Host.CheckStart(Cloned(template))));
        string[] clones = [.. Host.List().Select(guest => guest.Name)];
        Assert.Empty(clones);
    }

    [Fact]
    public void Verify_reads_it_although_it_looks_untouched()
    {
        GuestTemplate template = MakeWritten();
        End(Clone(Cloned(template) with { Verify = true }));
        string manifest = At("t/template.json");
        string digest = template.Disks[0].Written!.Digest;
        Rewrite(manifest, text => text.Replace(digest, new string('0', 64), StringComparison.Ordinal));

        End(Clone(Cloned(template)));
        Assert.Equal(GuestErrorIds.TemplateDigestMismatch, ErrorOf(() => Clone(Cloned(template) with { Verify = true })));
        Assert.Equal(GuestErrorIds.TemplateDigestMismatch, Assert.Single(GuestTemplates.Test(template.Path, verify: true).Errors).Id);
    }

    [Theory]
    [InlineData("file", "\"../disk0.bin\"")]
    [InlineData("file", "\"/disk0.bin\"")]
    [InlineData("file", "\"ram0.bin\"")]
    [InlineData("file", "\"state.bin\"")]
    [InlineData("bytes", "0")]
    [InlineData("bytes", "4095")]
    [InlineData("bytes", "9223372036854771712")]
    [InlineData("fileSize", "4096")]
    [InlineData("fileSize", "-4096")]
    [InlineData("digest", "\"none\"")]
    [InlineData("digest", "null")]
    [InlineData("modifiedNanoseconds", "-1")]
    [InlineData("more", "1")]
    [InlineData("readOnly", "true")]
    [InlineData("formatVersion", "3")]
    public void A_description_that_is_none_is_refused(string property, string value)
    {
        GuestTemplate template = MakeWritten();
        Rewrite(At("t/template.json"), text =>
        {
            JsonObject manifest = JsonNode.Parse(text)!.AsObject(), disk = manifest["disks"]![0]!.AsObject();
            JsonObject changed = property switch { "formatVersion" => manifest, "readOnly" => disk, _ => disk["written"]!.AsObject() };
            changed[property] = JsonNode.Parse(value);
            return manifest.ToJsonString();
        });

        Assert.Equal(GuestErrorIds.TemplateManifestInvalid, ErrorOf(() => Clone(Cloned(template))));
    }

    [Fact]
    public void A_template_is_no_more_readable_than_what_the_guest_wrote()
    {
        string guest = BootDisked(DiskOverlay.File); // whose file is the user's alone
        Write(Last, ImageBytes(), 0, Pattern(2 * MiB, 2));

        GuestTemplate template = Make(guest, new CheckpointOptions { Path = At("t") });

        Assert.All(NamesIn("t"), name => Assert.Equal(UnixFileMode.UserRead, File.GetUnixFileMode(At($"t/{name}"))));
        Assert.Equal(template.Id, GuestTemplates.Read(At("t")).Id);
    }

    [SkippableFact]
    public void A_full_disk_costs_the_template_and_not_the_guest()
    {
        string guest = BootDisked();
        byte[] expected = ImageBytes();
        Write(Last, expected, 0, Pattern(12 * MiB, 2));
        using TestFolder folder = new();
        using Mounted mount = PsVm.Memory.Tests.Support.Host.Mount(folder, "tmpfs", "size=10m");

        Assert.Equal(GuestErrorIds.CheckpointDiskFull, ErrorOf(() => Make(guest, new CheckpointOptions { Path = mount.In("t") })));

        Assert.Empty(Directory.GetFileSystemEntries(mount.Path));
        AssertReads(expected, Last);
        Check(guest);
        AssertReads(expected, CloneDisk(Make(guest, new CheckpointOptions { Path = At("t") })).Disk);
    }

    [SkippableTheory]
    [InlineData("btrfs")]
    [InlineData("xfs")]
    public void What_files_can_share_takes_no_space(string type)
    {
        using TestFolder folder = new();
        using Mounted mount = PsVm.Memory.Tests.Support.Host.MountNew(folder, type, 400 << 20);
        string image = mount.In("image");
        File.Copy(Image, image);
        string guest = Boot(
            new GuestOptions { Memory = Memory, Disks = [new GuestDiskOptions { Path = image, OverlayPath = mount.In("overlay") }] });
        byte[] expected = ImageBytes();
        Write(Last, expected, 2 * MiB, Pattern(48 * MiB, 2));
        Assert.True(Last.TryFlush());
        long free = Free();

        GuestTemplate template = Make(guest, new CheckpointOptions { Path = mount.In("t") });
        string clone = Clone(new GuestOptions { Template = template.Path, Disks = [new GuestDiskOptions { Path = image }] });
        Write(Last, expected, Size - MiB, Pattern(MiB, 3));
        GuestTemplate above = Make(clone, new CheckpointOptions { Path = mount.In("u") });

        Assert.InRange(free - Free(), 0, 24 * MiB);
        Clone(new GuestOptions { Template = above.Path, Disks = [new GuestDiskOptions { Path = image }] });
        AssertReads(expected, Last);
        Assert.Empty(GuestTemplates.Test(above.Path, verify: true).Errors);
        Host.Dispose(); // before what its guests run from is unmounted

        long Free()
        {
            PsVm.Memory.Tests.Support.Host.Run("sync", "-f", mount.Path); // btrfs counts what is on the disk
            return new DriveInfo(mount.Path).AvailableFreeSpace;
        }
    }

    private static void Spoil(FileStream file, string what)
    {
        byte[] first = new byte[OverlayHeader.Size];
        file.ReadExactly(first);
        OverlayHeader header = OverlayHeader.Read(first);
        switch (what)
        {
            case "cut":
                file.SetLength(file.Length - Block);
                break;
            case "longer":
                file.SetLength(file.Length + Block);
                break;
            case "flipped":
                Put(header.DataOffset + MiB, [1, 2, 3]);
                break;
            case "other kind":
                Put(0, [0]);
                break;
            case "other disk":
                Put(0, (header with { DiskSize = header.DiskSize - 512 }).ToBytes());
                break;
            case "fewer blocks":
                Put(OverlayHeader.Size, [0]);
                break;
            default: // as many blocks, one of which is where none can be
                Put(OverlayHeader.Size, [0xfe]);
                Put(header.DataOffset - 1, [0x80]);
                break;
        }

        void Put(long at, byte[] bytes)
        {
            file.Position = at;
            file.Write(bytes);
        }
    }

    private void Believe(GuestTemplate template, string file)
    {
        using Microsoft.Win32.SafeHandles.SafeFileHandle open = File.OpenHandle(file);
        string digest = RamDigest.Of(open);
        Rewrite(At("t/template.json"), text => text.Replace(template.Disks[0].Written!.Digest, digest, StringComparison.Ordinal));
    }

    private static void Rewrite(string file, Func<string, string> change)
    {
        string text = change(File.ReadAllText(file));
        File.Delete(file);
        File.WriteAllText(file, text);
    }

    private GuestTemplate MakeWritten()
    {
        string guest = BootDisked();
        Assert.True(Last.TryWrite(0, Pattern(2 * MiB, 2)));
        GuestTemplate template = Make(guest, new CheckpointOptions { Path = At("t") });
        End(guest);
        return template;
    }
}
