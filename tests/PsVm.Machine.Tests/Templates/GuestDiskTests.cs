namespace PsVm.Machine.Tests.Templates;

/// <summary>Disks of guests, and what is refused of them, without a driver.</summary>
public sealed class GuestDiskTests : TemplateTest
{
    private const int Size = 1 << 20;

    [Fact]
    public void A_guest_with_disks_has_a_board_with_slots_and_one_without_has_none()
    {
        string with = Boot(Disked(Image("a"), Image("b")));
        string without = Boot(new GuestOptions { Memory = Memory });

        Assert.Equal(("virt-1.4", "virt-1.1"), (Host.Get(with).MachineType, Host.Get(without).MachineType));
        Assert.Equal(
            [("disk0", At("a"), (long)Size), ("disk1", At("b"), Size)],
            Host.GetDisks(with).Select(disk => (disk.Name, disk.Path, disk.Size)));
        Assert.Empty(Host.GetDisks(without));
    }

    [Fact]
    public void An_image_is_the_guests_as_long_as_the_guest_exists()
    {
        string image = Image("disk");
        string guest = Boot(Disked(image));
        Assert.Equal(GuestErrorIds.DiskInUse, Refused(Disked(image)));

        Host.Stop(guest);
        Assert.Equal(GuestErrorIds.DiskInUse, Refused(Disked(image)));
        Host.CheckStartAgain(guest);
        Host.StartAgain(guest, CancellationToken.None);
        Host.Stop(guest);
        Host.Remove(guest);

        Host.CheckStart(Disked(image) with { Memory = Memory });
        End(Boot(Disked(image)));
    }

    [Theory]
    [InlineData("virt-1.1", 1, GuestErrorIds.GuestSlotsMissing)]
    [InlineData("virt-1.2", 1, GuestErrorIds.GuestSlotsMissing)]
    [InlineData("virt-1.3", 8, GuestErrorIds.GuestSlotsMissing)]
    public void A_disk_needs_a_slot(string machineType, int count, string id)
    {
        GuestOptions options = Disked([.. Enumerable.Range(0, count).Select(i => Image($"disk{i}"))]) with { MachineType = machineType };

        Assert.Equal(id, Refused(options));
        Assert.Equal(id, Assert.Throws<GuestException>(() => Host.CheckStart(options)).ErrorId);
    }

    [Theory]
    [InlineData("")]
    [InlineData("a/b")]
    [InlineData("with space")]
    [InlineData("twentyone-letters-are")]
    [InlineData("disk1")] // the name of the other
    public void A_name_is_one_and_of_one(string name)
    {
        GuestOptions options = new()
        {
            Memory = Memory, Disks = [new GuestDiskOptions { Path = Image("a"), Name = name }, new GuestDiskOptions { Path = Image("b") }],
        };

        Assert.Equal(GuestErrorIds.DiskNameInvalid, Refused(options));
    }

    [Fact]
    public void Contradictions_and_missing_images_are_refused_before_anything_is_made()
    {
        string image = Image("disk");
        Assert.Equal(
            GuestErrorIds.DiskOptionConflict, Refused(Disked(image, disk => disk with { ReadOnly = true, Overlay = DiskOverlay.Memory })));
        Assert.Equal(GuestErrorIds.DiskNotFound, Refused(Disked(image, At("none"))));
        Assert.Equal(GuestErrorIds.DiskNotFound, Assert.Throws<GuestException>(() => Host.CheckStart(Disked(At("none")))).ErrorId);

        Assert.Empty(Host.List());
        End(Boot(Disked(image))); // and the image that was opened before is free
    }

    [Fact]
    public void A_template_of_a_guest_that_writes_an_image_is_refused()
    {
        string guest = Boot(Disked(Image("disk")));

        GuestException refused = Assert.Throws<GuestException>(() => Make(guest, new CheckpointOptions { Path = At("t") }));

        Assert.Equal(GuestErrorIds.CheckpointDiskWritten, refused.ErrorId);
        Assert.Equal(
            GuestErrorIds.CheckpointDiskWritten,
            Assert.Throws<GuestException>(() => Host.CheckCheckpoint(guest, new CheckpointOptions { Path = At("t") })).ErrorId);
        Assert.False(Directory.Exists(At("t")));
        Check(guest);
    }

    [Fact]
    public void A_template_starts_with_its_disks_and_with_no_others()
    {
        string image = Image("disk");
        string guest = Boot(Disked(image, disk => disk with { Overlay = DiskOverlay.Memory }));
        GuestTemplate template = Make(guest, new CheckpointOptions { Path = At("t") });
        GuestTemplate exact = Make(guest, new CheckpointOptions { Path = At("exact"), Digest = true });
        End(guest);
        string copy = At("copy");
        File.Copy(image, copy);
        string altered = Image("altered", fill: 1);

        Assert.Equal([], GuestTemplates(template.Path));
        Assert.Equal(GuestErrorIds.TemplateDiskMissing, Refused(new GuestOptions { Template = template.Path }));
        Assert.Equal(GuestErrorIds.TemplateDiskMissing, Refused(Cloned(template, image, image)));
        Assert.Equal(
            GuestErrorIds.TemplateDiskMissing,
            Refused(new GuestOptions { Template = template.Path, Disks = [new GuestDiskOptions { Path = image, Name = "other" }] }));
        Assert.Equal(GuestErrorIds.TemplateDiskMismatch, Refused(Cloned(template, copy)));
        Assert.Equal(GuestErrorIds.TemplateDiskMismatch, Refused(Cloned(exact, altered)));
        Assert.Equal(
            GuestErrorIds.DiskOptionConflict,
            Refused(new GuestOptions { Template = template.Path, Disks = [new GuestDiskOptions { Path = image, ReadOnly = true }] }));
        Assert.Equal(
            GuestErrorIds.DiskOptionConflict,
            Refused(
                new GuestOptions
                {
                    Template = template.Path, Disks = [new GuestDiskOptions { Path = image, Overlay = DiskOverlay.None }],
                }));
        Assert.Equal(GuestErrorIds.DiskSizeInvalid, Refused(Cloned(template, Image("odd", size: 1000))));
        Check(Clone(Cloned(template, image)));
        Check(Clone(Cloned(exact, copy)));
        Check(Clone(Cloned(exact, image)));
        Assert.DoesNotContain(image, File.ReadAllText(Path.Combine(template.Path, "template.json")), StringComparison.Ordinal);

        // What is recorded is the image as it was.
        File.SetLastWriteTimeUtc(image, DateTime.UtcNow.AddHours(-1));
        Assert.Equal(GuestErrorIds.TemplateDiskMismatch, Refused(Cloned(template, image)));
        Assert.Equal(
            GuestErrorIds.TemplateDiskMissing,
            Refused(
                new GuestOptions
                {
                    Template = MakeTemplate("bare").Path, Disks = [new GuestDiskOptions { Path = image }], MachineType = "virt-1.4",
                }));
    }

    private static IEnumerable<string> GuestTemplates(string path) =>
        PsVm.Machine.Templates.GuestTemplates.Test(path).Errors.Select(error => error.Id);

    private static GuestOptions Cloned(GuestTemplate template, params string[] images) =>
        new() { Template = template.Path, Disks = [.. images.Select(image => new GuestDiskOptions { Path = image })] };

    private static GuestOptions Disked(params string[] images) =>
        new() { Memory = Memory, Disks = [.. images.Select(image => new GuestDiskOptions { Path = image })] };

    private static GuestOptions Disked(string image, Func<GuestDiskOptions, GuestDiskOptions> change) =>
        new() { Memory = Memory, Disks = [change(new GuestDiskOptions { Path = image })] };

    private string Refused(GuestOptions options) =>
        Assert.Throws<GuestException>(() => Host.Start(options, CancellationToken.None)).ErrorId;

    private string Image(string name, byte fill = 0, int size = Size)
    {
        byte[] bytes = new byte[size];
        bytes.AsSpan().Fill(fill);
        File.WriteAllBytes(At(name), bytes);
        return At(name);
    }
}
