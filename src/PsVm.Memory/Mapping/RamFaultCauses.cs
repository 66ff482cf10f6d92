using Mono.Unix.Native;
using PsVm.Memory.Files;
using PsVm.Memory.Native;

namespace PsVm.Memory.Mapping;

/// <summary>Finds out why a page of guest RAM could not be had: the signal tells little of it, so the file is asked.</summary>
internal static class RamFaultCauses
{
    private const int MemoryErrorOnAccess = 4, MemoryErrorFound = 5; // BUS_MCEERR_AR, BUS_MCEERR_AO

    /// <summary>Describes a fault, as things are now; changes no content.</summary>
    public static RamFault Describe(string id, OpenedBackend opened, RamLayers? layers, RamFaultNote note)
    {
        long page = note.Offset & -opened.Decision.PageSize;
        LayerFile? layer = layers?.Pieces.At(note.Offset) is { MappedLayer: > 0 } piece ? layers.Files[piece.MappedLayer - 1] : null;
        long fileOffset = layer is null ? opened.Options.Offset : 0;
        (RamFaultCause cause, string detail) = note.SignalCode is MemoryErrorOnAccess or MemoryErrorFound
            ? (RamFaultCause.MemoryError, "the host's memory has an error there (EHWPOISON)")
            : note.SignalCode == RamFaultTable.NoSignal
            ? (RamFaultCause.InputOutput, "it could not be mapped again (ENOMEM)")
            : Ask(
                opened,
                layer?.Fd ?? opened.File?.Fd,
                fileOffset + page,
                canWrite: layer is null && opened.Decision.Mode == FileAccessMode.ReadWrite);
        string? path = layer is not null ? layer.Path : opened.Decision.IsDirectory ? null : opened.Decision.Path;
        return new(id, path, note.Offset, fileOffset + note.Offset, cause, detail);
    }

    private static (RamFaultCause Cause, string Detail) Ask(OpenedBackend opened, int? open, long filePage, bool canWrite)
    {
        if (open is not { } fd)
        {
            return (RamFaultCause.InputOutput, "the kernel had no page for it");
        }

        FileFacts facts = FileFacts.Of(fd);
        if (facts.Error == 0 && facts.Size <= filePage)
        {
            return (RamFaultCause.Truncated, $"the file was truncated to {ByteSize.ToExactText(facts.Size)}");
        }

        if (opened.Decision.HugeTlb)
        {
            return (RamFaultCause.NoHugePage, $"no huge page of {ByteSize.ToExactText(opened.Decision.PageSize)} was free (ENOMEM)");
        }

        Errno error = canWrite ? AskForBlocks(opened, fd, filePage) : 0;
        return error switch
        {
            Errno.ENOSPC => (RamFaultCause.NoSpace, $"its file system is full: {Errors.Describe(error)}"),
            Errno.EDQUOT => (RamFaultCause.Quota, $"the quota of its file system is used up: {Errors.Describe(error)}"),
            _ => (RamFaultCause.InputOutput, "the kernel could not read or write the page of the file (EIO)"),
        };
    }

    /// <summary>What a store needs is blocks; to ask for them gives the errno, and leaves the content as it is.</summary>
    private static Errno AskForBlocks(OpenedBackend opened, int fd, long filePage)
    {
        Errno error = Retry.WhileInterrupted(() => LibC.Fallocate(fd, LibC.FallocKeepSize, filePage, opened.Decision.PageSize));
        if (error != 0
            || opened.Decision.Kind != BackendKind.File
            || Path.GetDirectoryName(new FileInfo($"/proc/self/fd/{fd}").LinkTarget) is not { } folder)
        {
            return error;
        }

        // btrfs gives blocks when it has no room any more for noting that they were written: a write tells, to a file without a name beside
        // it.
        FileOpening opening = new FileOpener().CreateUnlinked(folder);
        if (opening.Error != 0)
        {
            return opening.Error;
        }

        using RamFile probe = new(opening.Fd, created: true, unlinkOnFailure: null);
        return probe.Write(new byte[opened.Decision.PageSize]);
    }
}
