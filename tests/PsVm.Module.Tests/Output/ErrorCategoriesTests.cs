using System.Management.Automation;
using PsVm.Module.Output;

namespace PsVm.Module.Tests.Output;

public class ErrorCategoriesTests
{
    [Theory]
    [InlineData(MemoryErrorIds.FileNotFound, ErrorCategory.ObjectNotFound)]
    [InlineData(MemoryErrorIds.FileAccessDenied, ErrorCategory.PermissionDenied)]
    [InlineData(MemoryErrorIds.BackendInUse, ErrorCategory.ResourceBusy)]
    [InlineData(MemoryErrorIds.NotEnoughHugePages, ErrorCategory.ResourceUnavailable)]
    [InlineData(MemoryErrorIds.SizeMisaligned, ErrorCategory.InvalidArgument)]
    [InlineData(GuestErrorIds.GuestNameInUse, ErrorCategory.ResourceExists)]
    [InlineData(GuestErrorIds.KernelNotRecognised, ErrorCategory.InvalidData)]
    [InlineData(GuestErrorIds.TemplateNotFound, ErrorCategory.ObjectNotFound)]
    [InlineData(GuestErrorIds.CheckpointDiskFull, ErrorCategory.ResourceUnavailable)]
    [InlineData(ModuleErrorIds.GuestWaitTimeout, ErrorCategory.OperationTimeout)]
    [InlineData("NoSuchId", ErrorCategory.InvalidArgument)]
    public void An_id_has_a_category(string id, ErrorCategory expected) => Assert.Equal(expected, ErrorCategories.Of(id));
}
