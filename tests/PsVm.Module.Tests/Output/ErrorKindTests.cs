using System.Management.Automation;

namespace PsVm.Module.Tests.Output;

public class ErrorKindTests
{
    [Theory]
    [InlineData(MemoryErrorIds.FileNotFound, ErrorKind.ObjectNotFound)]
    [InlineData(MemoryErrorIds.FileAccessDenied, ErrorKind.PermissionDenied)]
    [InlineData(MemoryErrorIds.BackendInUse, ErrorKind.ResourceBusy)]
    [InlineData(MemoryErrorIds.BackendBusy, ErrorKind.ResourceBusy)]
    [InlineData(MemoryErrorIds.NotEnoughHugePages, ErrorKind.ResourceUnavailable)]
    [InlineData(MemoryErrorIds.SizeMisaligned, ErrorKind.InvalidArgument)]
    [InlineData(GuestErrorIds.GuestNameInUse, ErrorKind.ResourceExists)]
    [InlineData(GuestErrorIds.KernelNotRecognised, ErrorKind.InvalidData)]
    [InlineData(GuestErrorIds.TemplateNotFound, ErrorKind.ObjectNotFound)]
    [InlineData(GuestErrorIds.CheckpointDiskFull, ErrorKind.ResourceUnavailable)]
    [InlineData(GuestErrorIds.CheckpointFileSystem, ErrorKind.InvalidOperation)]
    [InlineData("NoSuchId", ErrorKind.InvalidArgument)]
    public void An_id_has_a_kind(string id, ErrorKind expected) => Assert.Equal(expected, new PsVmError(id, "").Category);

    [Fact]
    public void Every_kind_is_one_of_PowerShells_categories() =>
        Assert.All(Enum.GetNames<ErrorKind>(), name => Assert.True(Enum.TryParse<ErrorCategory>(name, out _), name));
}
