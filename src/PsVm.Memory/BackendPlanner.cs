using Mono.Unix.Native;
using PsVm.Memory.Files;
using PsVm.Memory.Mapping;
using PsVm.Memory.Native;

namespace PsVm.Memory;

/// <summary>
/// The road from options to an open file, walked by New-MemoryBackend with an opener that opens and by Test-BackendOptions with one that
/// foretells. Errors end up in the plan; what was opened stays the caller's to close.
/// </summary>
/// <param name="opener">Opens, or foretells.</param>
/// <param name="faultsEndProcess">Why a page that cannot be had ends the process, as a clause; null: it does not.</param>
/// <param name="isMappedSharedWritable">Whether a live backend has the file mapped shared and writable.</param>
internal sealed class BackendPlanner(IFileOpener opener, string? faultsEndProcess, Func<FileIdentity, bool> isMappedSharedWritable)
{
    public BackendPlan Plan(MemoryBackendOptions options, bool denyPrivateDiscard)
    {
        var contradictions = OptionChecks.Contradictions(options).ToList();
        var plan = new BackendPlan(options, denyPrivateDiscard)
        {
            Path = string.IsNullOrEmpty(options.Path) ? null : Path.GetFullPath(options.Path),
        };
        plan.Errors.AddRange(contradictions);
        if (contradictions.Count > 0)
        {
            return plan;
        }

        if (plan.Kind == BackendKind.File)
        {
            PlanFile(plan, plan.Path!);
        }
        else
        {
            PlanMemory(plan);
        }

        if (plan.Kind != BackendKind.Anonymous && faultsEndProcess is not null)
        {
            plan.Warnings.Add(new(
                MemoryWarningIds.RamFaultsEndProcess,
                $"A page that cannot be had, as after a truncation or on a full file system, ends this process and all guests in it: {faultsEndProcess}."));
        }

        return plan;
    }

    private static void PlanMemory(BackendPlan plan)
    {
        plan.Mode = FileAccessMode.ReadWrite;
        plan.Reason = "anonymous memory has no file";
        if (plan.Kind == BackendKind.Memfd)
        {
            plan.Reason = "a memfd is made by the backend itself and always writable";
            plan.Created = plan.MustGrow = true;
        }

        plan.Errors.AddRange(OptionChecks.Geometry(plan.Options, plan.PageSize));
        Decide(plan);
        CheckHost(plan);
        if (plan.MappingKind == MappingKind.PrivateFile)
        {
            plan.Warnings.Add(PaidTwice("memfd"));
        }
    }

    private void PlanFile(BackendPlan plan, string path)
    {
        var options = plan.Options;
        var facts = FileFacts.Of(path);
        plan.Facts = facts;
        plan.FileSystem = facts.FileSystem;
        plan.PageSize = facts.FileSystem?.PageSize ?? plan.PageSize;
        plan.IsDirectory = facts.Kind == FileKind.Directory;

        var resolution = AccessModeResolver.Resolve(options, plan.HugeTlb, plan.DenyPrivateDiscard);
        plan.Mode = resolution.Mode;
        plan.Reason = resolution.Reason;
        AddIfAny(plan.Errors, resolution.Error);
        plan.Errors.AddRange(OptionChecks.Geometry(options, plan.PageSize));
        if (resolution.Error is null)
        {
            Decide(plan);
        }

        if (plan.Errors.Count == 0)
        {
            AddIfAny(plan.Errors, Unusable(plan, path, facts));
        }

        CheckHost(plan);
        if (plan.Errors.Count == 0)
        {
            Open(plan, path);
        }

        if (plan.Errors.Count == 0)
        {
            CheckOpened(plan, path);
        }
    }

    /// <summary>What follows from the options and the mode the file is, or will be, open with.</summary>
    private static void Decide(BackendPlan plan)
    {
        var options = plan.Options;
        var discard = DiscardPolicyResolver.Resolve(options.DiscardPolicy, plan.MappingKind, plan.Mode!.Value, plan.DenyPrivateDiscard);
        plan.DiscardPolicy = discard.Policy;
        AddIfAny(plan.Errors, discard.Error);
        AddIfAny(plan.Errors, OptionChecks.Prealloc(options, plan.MappingKind));
        AddIfAny(plan.Warnings, discard.Warning);
        if (plan.Prealloc == PreallocMode.Read && !options.ReadOnly)
        {
            plan.Warnings.Add(new(
                MemoryWarningIds.PreallocReadsOnly,
                "Prealloc reads the pages of a private file mapping in and copies none; the first store to each page still copies it."));
        }

        if (plan.HugeTlb && !options.Reserve)
        {
            plan.Warnings.Add(new(
                MemoryWarningIds.ReservationKept,
                "Reserve is off, but huge pages stay reserved, so that a lack of them fails the mapping and not a later touch."));
        }

        if (options.Merge && !Directory.Exists("/sys/kernel/mm/ksm"))
        {
            plan.Warnings.Add(new(MemoryWarningIds.MergeUnavailable, "Merge has no effect: this kernel has no same-page merging."));
        }
    }

    /// <summary>What the host must have, asked before anything is opened.</summary>
    private static void CheckHost(BackendPlan plan)
    {
        if (plan.Errors.Count == 0)
        {
            AddIfAny(plan.Errors, NumaNodes.MissingFrom(plan.Options.HostNodes) ?? HostMemory.CheckPrealloc(plan));
        }
    }

    private static BackendError? Unusable(BackendPlan plan, string path, FileFacts facts) => facts switch
    {
        { Error: not 0 } => FileErrors.ForLook(facts.Error, path),
        { Kind: FileKind.Missing, IsLink: true } when plan.Mode == FileAccessMode.ReadOnly => FileErrors.DanglingLink(path),
        { Kind: FileKind.Missing, FileSystem: null } => FileErrors.DirectoryNotFound(path),
        { Kind: FileKind.Directory } when plan.Mode == FileAccessMode.ReadOnly => FileErrors.DirectoryNeedsReadWrite(path, plan.Reason!),
        { Kind: FileKind.Missing or FileKind.Regular or FileKind.Directory } => null,
        _ => FileErrors.NotRegular(path, facts.Kind),
    };

    private void Open(BackendPlan plan, string path)
    {
        var write = plan.Mode == FileAccessMode.ReadWrite;
        var opening = plan.IsDirectory ? opener.CreateUnlinked(path) : RamFileOpening.OpenOrCreate(opener, path, write);
        var forbidden = opening.Error;
        var couldRead = write && !plan.Options.Share && !opening.Creating && RamFileOpening.ForbidsWriting(forbidden);
        if (couldRead)
        {
            var reading = RamFileOpening.OpenOrCreate(opener, path, write: false);
            couldRead = reading.Error == 0;
            if (couldRead && plan.Options.FileAccessMode == FileAccessMode.Auto)
            {
                opening = reading;
                FallBack(plan, path, Errors.Describe(forbidden));
            }
            else if (reading.Fd >= 0)
            {
                new RamFile(reading.Fd, created: false, unlinkOnFailure: null).Dispose();
            }
        }

        if (opening.Error != 0)
        {
            var isDanglingLink = plan.Facts is { Kind: FileKind.Missing, IsLink: true };
            var hint = couldRead ? "The file can be read: use FileAccessMode ReadOnly or Auto." : null;
            plan.Errors.Add(FileErrors.ForOpen(opening, path, write, isDanglingLink, hint));
            return;
        }

        plan.Created = opening.Creating;
        if (opening.Fd >= 0)
        {
            plan.File = new RamFile(opening.Fd, opening.Creating, opening.Creating && !plan.IsDirectory ? path : null);
            plan.Facts = FileFacts.Of(opening.Fd);
        }
    }

    private static void FallBack(BackendPlan plan, string path, string errno)
    {
        plan.FellBack = true;
        plan.Mode = FileAccessMode.ReadOnly;
        plan.Reason += $"; it cannot be opened for writing, so it is opened ReadOnly";
        plan.Warnings.Clear();
        Decide(plan);
        plan.Warnings.Insert(0, new(
            MemoryWarningIds.FellBackToReadOnly,
            $"'{path}' cannot be opened for writing ({errno}) and is opened ReadOnly: it cannot be truncated, grown or punched."));
    }

    private void CheckOpened(BackendPlan plan, string path)
    {
        var facts = plan.Facts!;
        var options = plan.Options;
        var fileSize = plan.Created ? 0 : facts.Size;
        plan.MustGrow = fileSize == 0;
        if (facts.Error != 0)
        {
            plan.Errors.Add(FileErrors.ForLook(facts.Error, path));
        }
        else if (!plan.Created && facts.Kind != FileKind.Regular)
        {
            plan.Errors.Add(FileErrors.NotRegular(path, facts.Kind));
        }
        else if (plan.MustGrow && plan.Mode == FileAccessMode.ReadOnly)
        {
            plan.Errors.Add(FileErrors.EmptyReadOnly(path, options.Offset, options.Size));
        }
        else if (!plan.MustGrow && fileSize < options.Offset + options.Size)
        {
            plan.Errors.Add(FileErrors.TooSmall(path, fileSize, options.Offset, options.Size));
        }
        else if (plan.MustGrow && plan.FileSystem!.LargestFile < options.Offset + options.Size)
        {
            plan.Errors.Add(FileErrors.ForGrow(Errno.EFBIG, path, options.Offset + options.Size));
        }
        else if (LacksSpace(plan, facts) is { } needed)
        {
            plan.Errors.Add(FileErrors.FileSystemFull(path, needed, plan.FileSystem!.AvailableBytes!.Value));
        }

        if (plan.MappingKind == MappingKind.PrivateFile)
        {
            if (plan.FileSystem!.IsInMemory)
            {
                plan.Warnings.Add(PaidTwice($"'{path}' on {plan.FileSystem.Name}"));
            }

            if (!plan.Created && isMappedSharedWritable(facts.Identity))
            {
                plan.Warnings.Add(new(
                    MemoryWarningIds.PrivateMappingOfSharedFile,
                    $"'{path}' is mapped shared and writable by another backend: pages this one has not copied change under its guest."));
            }
        }
    }

    /// <summary>
    /// Bytes that shared stores may still need, when the file system has fewer: a store that finds it full is a SIGBUS.
    /// Reserve off accepts that, but for preallocation, which takes the space at once.
    /// </summary>
    private static long? LacksSpace(BackendPlan plan, FileFacts facts)
    {
        var options = plan.Options;
        if (!options.Share || options.ReadOnly || !(options.Reserve || options.Prealloc) || plan.HugeTlb)
        {
            return null;
        }

        var needed = options.Size - Math.Min(plan.Created ? 0 : facts.AllocatedBytes, options.Size);
        return plan.FileSystem!.AvailableBytes < needed ? needed : null;
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
