using System.Management.Automation;

namespace PsVm.Module.Output;

/// <summary>PowerShell's category for each error id.</summary>
internal static class ErrorCategories
{
    private static readonly Dictionary<string, ErrorCategory> Categories = new()
    {
        [MemoryErrorIds.RequiresLinux] = ErrorCategory.NotImplemented,
        [MemoryErrorIds.DuplicateId] = ErrorCategory.ResourceExists,
        [MemoryErrorIds.ReservedId] = ErrorCategory.ResourceExists,
        [MemoryErrorIds.BackendNotFound] = ErrorCategory.ObjectNotFound,
        [MemoryErrorIds.BackendInUse] = ErrorCategory.ResourceBusy,
        [MemoryErrorIds.PrivateReadWriteDenied] = ErrorCategory.PermissionDenied,
        [MemoryErrorIds.FileNotFound] = ErrorCategory.ObjectNotFound,
        [MemoryErrorIds.DirectoryNotFound] = ErrorCategory.ObjectNotFound,
        [MemoryErrorIds.DanglingLink] = ErrorCategory.ObjectNotFound,
        [MemoryErrorIds.OpenRetriesExhausted] = ErrorCategory.OpenError,
        [MemoryErrorIds.FileAccessDenied] = ErrorCategory.PermissionDenied,
        [MemoryErrorIds.ReadOnlyFileSystem] = ErrorCategory.PermissionDenied,
        [MemoryErrorIds.FileImmutable] = ErrorCategory.PermissionDenied,
        [MemoryErrorIds.FileIsRunning] = ErrorCategory.ResourceBusy,
        [MemoryErrorIds.DirectoryNotWritable] = ErrorCategory.PermissionDenied,
        [MemoryErrorIds.OpenFailed] = ErrorCategory.OpenError,
        [MemoryErrorIds.EmptyFileReadOnly] = ErrorCategory.InvalidData,
        [MemoryErrorIds.FileTooSmall] = ErrorCategory.InvalidData,
        [MemoryErrorIds.FileSystemFull] = ErrorCategory.ResourceUnavailable,
        [MemoryErrorIds.GrowFailed] = ErrorCategory.WriteError,
        [MemoryErrorIds.AddressSpaceExhausted] = ErrorCategory.ResourceUnavailable,
        [MemoryErrorIds.NotEnoughMemory] = ErrorCategory.ResourceUnavailable,
        [MemoryErrorIds.NotEnoughHugePages] = ErrorCategory.ResourceUnavailable,
        [MemoryErrorIds.MapFailed] = ErrorCategory.ResourceUnavailable,
        [MemoryErrorIds.NumaBindFailed] = ErrorCategory.ResourceUnavailable,
        [MemoryErrorIds.PreallocFailed] = ErrorCategory.ResourceUnavailable,
        [MemoryErrorIds.DiscardDenied] = ErrorCategory.PermissionDenied,
        [MemoryErrorIds.OverlayLimitReached] = ErrorCategory.LimitsExceeded,
        [MemoryErrorIds.DiscardFailed] = ErrorCategory.WriteError,
        [GuestErrorIds.GuestNotFound] = ErrorCategory.ObjectNotFound,
        [GuestErrorIds.GuestNameInUse] = ErrorCategory.ResourceExists,
        [GuestErrorIds.GuestStopped] = ErrorCategory.InvalidOperation,
        [GuestErrorIds.GuestNotStopped] = ErrorCategory.ResourceBusy,
        [GuestErrorIds.ConsoleInputFull] = ErrorCategory.LimitsExceeded,
        [GuestErrorIds.GuestHostClosed] = ErrorCategory.InvalidOperation,
        [GuestErrorIds.KernelNotFound] = ErrorCategory.ObjectNotFound,
        [GuestErrorIds.KernelUnreadable] = ErrorCategory.ReadError,
        [GuestErrorIds.KernelNotRecognised] = ErrorCategory.InvalidData,
        [GuestErrorIds.KernelCompressed] = ErrorCategory.InvalidData,
        [GuestErrorIds.FirmwareNotFound] = ErrorCategory.ObjectNotFound,
        [GuestErrorIds.FirmwareUnreadable] = ErrorCategory.ReadError,
        [GuestErrorIds.InitrdNotFound] = ErrorCategory.ObjectNotFound,
        [GuestErrorIds.InitrdUnreadable] = ErrorCategory.ReadError,
        [GuestErrorIds.ElfNotRiscv64] = ErrorCategory.InvalidData,
        [GuestErrorIds.ElfNotExecutable] = ErrorCategory.InvalidData,
        [GuestErrorIds.ElfTruncated] = ErrorCategory.InvalidData,
        [ModuleErrorIds.GuestStoppedFirst] = ErrorCategory.OperationStopped,
        [ModuleErrorIds.GuestWaitTimeout] = ErrorCategory.OperationTimeout,
    };

    /// <summary>The category of an id. Those not listed say that what was asked for makes no sense: InvalidArgument.</summary>
    public static ErrorCategory Of(string errorId) => Categories.GetValueOrDefault(errorId, ErrorCategory.InvalidArgument);
}
