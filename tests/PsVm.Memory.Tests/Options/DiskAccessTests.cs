using PsVm.Memory.Options;

namespace PsVm.Memory.Tests.Options;

/// <summary>The table of how a disk's image is opened, and where writes go: all of it.</summary>
public sealed class DiskAccessTests
{
    [Theory]
    [InlineData(false, FileAccessMode.Auto, DiskOverlay.Auto, false, FileAccessMode.ReadWrite, DiskOverlay.None)]
    [InlineData(false, FileAccessMode.Auto, DiskOverlay.None, false, FileAccessMode.ReadWrite, DiskOverlay.None)]
    [InlineData(false, FileAccessMode.Auto, DiskOverlay.Memory, false, FileAccessMode.ReadOnly, DiskOverlay.Memory)]
    [InlineData(false, FileAccessMode.ReadWrite, DiskOverlay.Auto, false, FileAccessMode.ReadWrite, DiskOverlay.None)]
    [InlineData(false, FileAccessMode.ReadWrite, DiskOverlay.None, false, FileAccessMode.ReadWrite, DiskOverlay.None)]
    [InlineData(false, FileAccessMode.ReadOnly, DiskOverlay.Auto, false, FileAccessMode.ReadOnly, DiskOverlay.Memory)]
    [InlineData(false, FileAccessMode.ReadOnly, DiskOverlay.Memory, false, FileAccessMode.ReadOnly, DiskOverlay.Memory)]
    [InlineData(true, FileAccessMode.Auto, DiskOverlay.Auto, false, FileAccessMode.ReadOnly, DiskOverlay.None)]
    [InlineData(true, FileAccessMode.ReadOnly, DiskOverlay.None, false, FileAccessMode.ReadOnly, DiskOverlay.None)]
    [InlineData(false, FileAccessMode.Auto, DiskOverlay.Auto, true, FileAccessMode.ReadOnly, DiskOverlay.Memory)]
    [InlineData(false, FileAccessMode.ReadOnly, DiskOverlay.Auto, true, FileAccessMode.ReadOnly, DiskOverlay.Memory)]
    [InlineData(false, FileAccessMode.Auto, DiskOverlay.Memory, true, FileAccessMode.ReadOnly, DiskOverlay.Memory)]
    [InlineData(true, FileAccessMode.Auto, DiskOverlay.Auto, true, FileAccessMode.ReadOnly, DiskOverlay.None)]
    [InlineData(false, FileAccessMode.Auto, DiskOverlay.File, false, FileAccessMode.ReadOnly, DiskOverlay.File)]
    [InlineData(false, FileAccessMode.ReadOnly, DiskOverlay.File, false, FileAccessMode.ReadOnly, DiskOverlay.File)]
    [InlineData(false, FileAccessMode.Auto, DiskOverlay.File, true, FileAccessMode.ReadOnly, DiskOverlay.File)]
    public void A_disk_is_opened_with_a_reason(
        bool readOnly, FileAccessMode asked, DiskOverlay overlay, bool isClone, FileAccessMode mode, DiskOverlay found)
    {
        DiskAccessResolution resolution = Resolve(readOnly, asked, overlay, isClone);

        Assert.Null(resolution.Error);
        Assert.Equal((mode, found), (resolution.Mode, resolution.Overlay));
        Assert.NotEmpty(resolution.Reason);
    }

    [Theory]
    [InlineData(true, FileAccessMode.Auto, DiskOverlay.Memory, false, "nothing to keep")]
    [InlineData(true, FileAccessMode.Auto, DiskOverlay.File, false, "nothing to keep")]
    [InlineData(false, FileAccessMode.ReadWrite, DiskOverlay.File, true, "nothing would write")]
    [InlineData(true, FileAccessMode.ReadWrite, DiskOverlay.Auto, false, "no writable image")]
    [InlineData(true, FileAccessMode.ReadWrite, DiskOverlay.None, true, "no writable image")]
    [InlineData(false, FileAccessMode.ReadOnly, DiskOverlay.None, false, "has to go somewhere")]
    [InlineData(false, FileAccessMode.ReadWrite, DiskOverlay.Memory, false, "nothing would write")]
    [InlineData(false, FileAccessMode.Auto, DiskOverlay.None, true, "other clones")]
    [InlineData(false, FileAccessMode.ReadWrite, DiskOverlay.Auto, true, "other clones")]
    public void What_contradicts_itself_is_refused(bool readOnly, FileAccessMode asked, DiskOverlay overlay, bool isClone, string complaint)
    {
        (string message, string action) = Resolve(readOnly, asked, overlay, isClone).Error!.Value;

        Assert.Contains(complaint, message, StringComparison.Ordinal);
        Assert.NotEmpty(action);
    }

    [Fact]
    public void A_file_is_where_the_overlay_is_said_to_be_and_nowhere_else()
    {
        GuestDiskOptions options = new() { Path = "/disk", OverlayPath = "/overlay" };
        Assert.Equal(DiskOverlay.File, DiskAccess.Resolve(options, isClone: false).Overlay);
        Assert.NotNull(DiskAccess.Resolve(options with { Overlay = DiskOverlay.Memory }, isClone: false).Error);
        Assert.NotNull(DiskAccess.Resolve(options with { Overlay = DiskOverlay.None }, isClone: false).Error);
        Assert.NotNull(DiskAccess.Resolve(new GuestDiskOptions { Path = "/disk", Overlay = DiskOverlay.File }, isClone: false).Error);
    }

    private static DiskAccessResolution Resolve(bool readOnly, FileAccessMode asked, DiskOverlay overlay, bool isClone) =>
        DiskAccess.Resolve(
            new GuestDiskOptions
            {
                Path = "/disk",
                ReadOnly = readOnly,
                FileAccessMode = asked,
                Overlay = overlay,
                OverlayPath = overlay == DiskOverlay.File ? "/overlay" : null,
            },
            isClone);
}
