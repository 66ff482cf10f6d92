using System.Diagnostics;
using Mono.Unix.Native;
using PsVm.Memory.Files;
using PsVm.Memory.Mapping;
using PsVm.Memory.Native;
using PsVm.Memory.Options;

namespace PsVm.Memory;

/// <summary>
/// The road from options to an open file, walked by New-MemoryBackend with an opener that opens and by Test-BackendOptions with one that
/// foretells. Errors are in what it gives; what was opened is the caller's to close.
/// </summary>
/// <param name="opener">Opens, or foretells.</param>
/// <param name="faultsEndProcess">Why a page that cannot be had ends the process, as a clause; null: it does not.</param>
/// <param name="listBackends">The live backends of the process.</param>
internal sealed class BackendOpening(IFileOpener opener, string? faultsEndProcess, Func<IReadOnlyList<MemoryBackend>> listBackends)
{
    // A file that is written anew takes the old one's place once; who meets that as often meets somebody who does nothing else.
    private const int MostTries = 16;

    /// <summary>Decides, and opens by it.</summary>
    /// <param name="options">What is asked for.</param>
    /// <param name="denyPrivateDiscard">DenyPrivateDiscard is in force.</param>
    /// <param name="decided">What was decided before by the same, of a file that has not changed since; null: it is decided now.</param>
    /// <remarks>A file that loses its name between being opened and being locked is not used: the one that has it now is.</remarks>
    public OpenedBackend Open(MemoryBackendOptions options, bool denyPrivateDiscard, BackendDecision? decided = null)
    {
        OpenedBackend opened = OpenOnce(options, denyPrivateDiscard, decided);
        for (int tries = 1; opened.WasReplaced && tries < MostTries; tries++)
        {
            opened.File!.Dispose();
            opened = OpenOnce(options, denyPrivateDiscard, null);
        }

        return opened;
    }

    private OpenedBackend OpenOnce(MemoryBackendOptions options, bool denyPrivateDiscard, BackendDecision? decided)
    {
        Debug.Assert(decided is null || decided.Path == options.Path, "another file's decision");
        BackendDecision decision = decided ?? Decide(options, denyPrivateDiscard);
        string? path = decision.Path;
        List<BackendError> errors = [.. decision.Errors];
        if (errors.Count == 0)
        {
            // What the host must have, asked before anything is opened.
            AddIfAny(errors, NumaNodes.MissingFrom(options.HostNodes) ?? HostMemory.CheckPrealloc(decision));
        }

        bool isMemfd = decision.Kind == BackendKind.Memfd;
        OpenedBackend opened = new(decision) { Facts = decision.Seen, Created = isMemfd, MustGrow = isMemfd };
        if (errors.Count == 0 && decision.Kind == BackendKind.File)
        {
            opened = OpenFile(decision, path!, errors);
        }

        List<BackendWarning> warnings = [.. opened.Decision.Warnings];
        if (options.Merge && decision.Mode is not null && !Directory.Exists("/sys/kernel/mm/ksm"))
        {
            warnings.Add(new(MemoryWarningIds.MergeUnavailable, "Merge has no effect: this kernel has no same-page merging."));
        }

        if (errors.Count == 0 && decision.Kind == BackendKind.File)
        {
            opened = CheckOpened(opened, path!, errors, warnings);
        }
        else if (isMemfd && decision.MappingKind == MappingKind.PrivateFile)
        {
            warnings.Add(PaidTwice("memfd"));
        }

        if (decision.Mode is not null && decision.Kind != BackendKind.Anonymous && faultsEndProcess is not null)
        {
            warnings.Add(new(
                MemoryWarningIds.RamFaultsEndProcess,
                "A page that cannot be had, as after a truncation or on a full file system, ends this process and all guests in it: "
                    + $"{faultsEndProcess}."));
        }

        return opened with { Warnings = warnings, Errors = errors };
    }

    private static BackendDecision Decide(MemoryBackendOptions options, bool denyPrivateDiscard) => BackendDecision.Make(
        options, denyPrivateDiscard, string.IsNullOrEmpty(options.Path) ? null : Path.GetFullPath(options.Path), FileFacts.Of);

    private OpenedBackend OpenFile(BackendDecision decision, string path, List<BackendError> errors)
    {
        var write = decision.Mode == FileAccessMode.ReadWrite;
        var opening = decision.IsDirectory ? opener.CreateUnlinked(path) : RamFileOpening.OpenOrCreate(opener, path, write);
        var forbidden = opening.Error;
        var couldRead = write && !decision.Options.Share && !opening.Creating && RamFileOpening.ForbidsWriting(forbidden);
        var fellBack = false;
        if (couldRead)
        {
            var reading = RamFileOpening.OpenOrCreate(opener, path, write: false);
            couldRead = reading.Error == 0;
            fellBack = couldRead && decision.Options.FileAccessMode == FileAccessMode.Auto;
            if (fellBack)
            {
                opening = reading;
                decision = decision.FallBack(Errors.Describe(forbidden));
                errors.AddRange(decision.Errors);
            }
            else if (reading.Fd >= 0)
            {
                new RamFile(reading.Fd, created: false, unlinkOnFailure: null).Dispose();
            }
        }

        if (opening.Error != 0)
        {
            var isDanglingLink = decision.Seen is { Kind: FileKind.Missing, IsLink: true };
            var hint = couldRead ? "The file can be read: use FileAccessMode ReadOnly or Auto." : null;
            errors.Add(FileErrors.ForOpen(opening, path, write, isDanglingLink, hint));
            return new OpenedBackend(decision) { Facts = decision.Seen, FellBack = fellBack };
        }

        var isOpen = opening.Fd >= 0;
        return new OpenedBackend(decision)
        {
            Created = opening.Creating,
            FellBack = fellBack,
            File = isOpen ? new RamFile(opening.Fd, opening.Creating, opening.Creating && !decision.IsDirectory ? path : null) : null,
            Facts = decision.Seen, // looked at again once it is locked
        };
    }

    private OpenedBackend CheckOpened(OpenedBackend opened, string path, List<BackendError> errors, List<BackendWarning> warnings)
    {
        Lock(opened, path, errors, warnings);
        if (errors.Count > 0)
        {
            return opened;
        }

        // Looked at under the lock: whoever made the file has grown it by now.
        opened = opened.File is { } open ? opened with { Facts = FileFacts.Of(open.Fd) } : opened;
        var facts = opened.Facts!;
        var options = opened.Options;
        var fileSize = opened.Created ? 0 : facts.Size;
        opened = opened with { MustGrow = fileSize == 0 };
        if (facts.Error != 0)
        {
            errors.Add(FileErrors.ForLook(facts.Error, path));
        }
        else if (opened is { Created: false, File: not null } && facts.Kind == FileKind.Regular
            && FileFacts.Identify(path) is var named && named?.IsSameFile(facts.Identity) != true)
        {
            // Who made it has removed it before it was locked: what is grown or mapped now, nobody would find again.
            errors.Add(FileErrors.Replaced(path));
            opened = opened with { WasReplaced = named is not null };
        }
        else if (!opened.Created && facts.Kind != FileKind.Regular)
        {
            errors.Add(FileErrors.NotRegular(path, facts.Kind));
        }
        else if (opened.MustGrow && opened.Decision.Mode == FileAccessMode.ReadOnly)
        {
            errors.Add(FileErrors.EmptyReadOnly(path, options.Offset, options.Size));
        }
        else if (!opened.MustGrow && fileSize < options.Offset + options.Size)
        {
            errors.Add(FileErrors.TooSmall(path, fileSize, options.Offset, options.Size));
        }
        else if (opened.MustGrow && opened.Decision.FileSystem!.LargestFile < options.Offset + options.Size)
        {
            errors.Add(FileErrors.ForGrow(Errno.EFBIG, path, options.Offset + options.Size));
        }
        else if (LacksSpace(opened, facts) is { } needed)
        {
            errors.Add(FileErrors.FileSystemFull(path, needed, opened.Decision.FileSystem!.AvailableBytes!.Value));
        }

        if (opened.Decision.MappingKind == MappingKind.PrivateFile)
        {
            if (opened.Decision.FileSystem!.IsInMemory)
            {
                warnings.Add(PaidTwice($"'{path}' on {opened.Decision.FileSystem.Name}"));
            }

            if (!opened.Created && listBackends().Any(b => b.IsMappedSharedWritable(facts.Identity)))
            {
                warnings.Add(new(
                    MemoryWarningIds.PrivateMappingOfSharedFile,
                    $"'{path}' is mapped shared and writable by another backend: pages this one has not copied change under its guest."));
            }
        }

        return opened;
    }

    /// <summary>Sees to it that nobody writes what somebody else has mapped (memory-backends rules, section 3).</summary>
    private void Lock(OpenedBackend opened, string path, List<BackendError> errors, List<BackendWarning> warnings)
    {
        if (opened.Decision.IsDirectory || (opened.Created && opened.File is null))
        {
            // Nobody else can have it.
            return;
        }

        var wanted = RamFileLock.For(opened.Options);
        var fd = opened.File?.Fd ?? -1;
        var (result, errno) = opener.Lock(path, fd, wanted);
        if (result == LockResult.Unavailable)
        {
            warnings.Add(new(
                MemoryWarningIds.LocksUnavailable,
                $"'{path}' cannot be locked ({Errors.Describe(errno)}): nothing keeps others from writing it at the same time."));
        }
        else if (result == LockResult.InUse)
        {
            var error = FileErrors.InUse(path, wanted, HolderOf(fd < 0 ? opened.Facts!.Identity : FileFacts.Of(fd).Identity, wanted, fd));
            if (!opened.Options.AllowSharedWriters)
            {
                errors.Add(error);
                return;
            }

            warnings.Add(new(MemoryWarningIds.SharedWriters, error.Message + " AllowSharedWriters maps them all the same."));

            // Who wants the file later, or its template, learns of this one, whoever else has left by then.
            _ = opener.Lock(path, fd, wanted.Mark);
        }
    }

    private string HolderOf(FileIdentity file, RamFileLock wanted, int fd)
    {
        if (listBackends().FirstOrDefault(b => b.IsLockedAgainst(file, wanted)) is { } backend)
        {
            return $"backend '{backend.Id}' of this process";
        }

        return FileErrors.Holder(wanted.FindHolder(file, fd));
    }

    /// <summary>
    /// Bytes that shared stores may still need, when the file system has fewer: a store that finds it full is a SIGBUS.
    /// Reserve off accepts that, but for preallocation, which takes the space at once.
    /// </summary>
    private static long? LacksSpace(OpenedBackend opened, FileFacts facts)
    {
        var options = opened.Options;
        if (!options.Share || options.ReadOnly || !(options.Reserve || options.Prealloc) || opened.Decision.HugeTlb)
        {
            return null;
        }

        var needed = options.Size - Math.Min(opened.Created ? 0 : facts.AllocatedBytes, options.Size);
        return opened.Decision.FileSystem!.AvailableBytes < needed ? needed : null;
    }

    private static BackendWarning PaidTwice(string file) => new(
        MemoryWarningIds.PrivateMappingOfMemoryFile,
        $"Private mapping of {file}: the file is memory already, so each page the guest writes is paid for twice.");

    private static void AddIfAny<T>(List<T> list, T? item)
        where T : class
    {
        if (item is not null)
        {
            list.Add(item);
        }
    }
}
