using Mono.Unix.Native;
using PsVm.Memory.Files;
using PsVm.Memory.Native;

namespace PsVm.Memory.Mapping;

/// <summary>Finds out why a page of guest RAM could not be had: the signal tells little of it, so the file is asked.</summary>
internal static class RamFaultCauses
{
    private const int MemoryErrorOnAccess = 4, MemoryErrorFound = 5; // BUS_MCEERR_AR, BUS_MCEERR_AO

    /// <summary>Describes a fault, as things are now; changes no content.</summary>
    public static RamFault Describe(string id, OpenedBackend plan, RamFaultNote note)
    {
        long page = note.Offset & -plan.PageSize;
        (RamFaultCause cause, string detail) = note.SignalCode is MemoryErrorOnAccess or MemoryErrorFound
            ? (RamFaultCause.MemoryError, "the host's memory has an error there (EHWPOISON)")
            : note.SignalCode == RamFaultTable.NoSignal
            ? (RamFaultCause.InputOutput, "it could not be mapped again (ENOMEM)")
            : Ask(plan, plan.Options.Offset + page);
        return new(id, plan.IsDirectory ? null : plan.Path, note.Offset, plan.Options.Offset + note.Offset, cause, detail);
    }

    private static (RamFaultCause Cause, string Detail) Ask(OpenedBackend plan, long filePage)
    {
        if (plan.File is not { } file)
        {
            return (RamFaultCause.InputOutput, "the kernel had no page for it");
        }

        FileFacts facts = FileFacts.Of(file.Fd);
        if (facts.Error == 0 && facts.Size <= filePage)
        {
            return (RamFaultCause.Truncated, $"the file was truncated to {facts.Size} bytes");
        }

        if (plan.HugeTlb)
        {
            return (RamFaultCause.NoHugePage, $"no huge page of {plan.PageSize} bytes was free (ENOMEM)");
        }

        // What a store needs is blocks; to ask for them gives the errno, and leaves the content as it is.
        Errno error = plan.Mode == FileAccessMode.ReadWrite
            ? Retry.WhileInterrupted(() => LibC.Fallocate(file.Fd, LibC.FallocKeepSize, filePage, plan.PageSize))
            : 0;
        return error switch
        {
            Errno.ENOSPC => (RamFaultCause.NoSpace, $"its file system is full: {Errors.Describe(error)}"),
            Errno.EDQUOT => (RamFaultCause.Quota, $"the quota of its file system is used up: {Errors.Describe(error)}"),
            _ => (RamFaultCause.InputOutput, "the kernel could not read or write the page of the file (EIO)"),
        };
    }
}
