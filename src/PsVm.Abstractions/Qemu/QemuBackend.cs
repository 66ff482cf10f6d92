using System.Globalization;
using System.Text.RegularExpressions;

namespace PsVm;

/// <summary>Writes backends as <c>-object memory-backend-file</c>, <c>-memfd</c> or <c>-ram</c>. Pure.</summary>
/// <remarks>
/// Source: memory-backends rules, section 9; QEMU's <c>qapi/qom.json</c>. What QEMU has no word for is refused by name, and never left out.
/// </remarks>
public static partial class QemuBackend
{
    private static readonly Version s_rom = QemuProperty.Find(BackendKind.File, "rom")!.Since;

    // What is wrong on this host now, and no contradiction: the arguments may be for later, or for another host.
    private static readonly HashSet<string> s_ofThisHost =
    [
        MemoryErrorIds.RequiresLinux, MemoryErrorIds.DuplicateId, MemoryErrorIds.ReservedId, MemoryErrorIds.HostNodeNotOnline,
        MemoryErrorIds.FileNotFound, MemoryErrorIds.DirectoryNotFound, MemoryErrorIds.DanglingLink, MemoryErrorIds.OpenRetriesExhausted,
        MemoryErrorIds.FileAccessDenied, MemoryErrorIds.ReadOnlyFileSystem, MemoryErrorIds.FileImmutable, MemoryErrorIds.FileIsRunning,
        MemoryErrorIds.DirectoryNotWritable, MemoryErrorIds.OpenFailed, MemoryErrorIds.EmptyFileReadOnly, MemoryErrorIds.FileTooSmall,
        MemoryErrorIds.FileSystemFull, MemoryErrorIds.GrowFailed, MemoryErrorIds.RamFileInUse, MemoryErrorIds.AddressSpaceExhausted,
        MemoryErrorIds.NotEnoughMemory, MemoryErrorIds.NotEnoughHugePages, MemoryErrorIds.MapFailed, MemoryErrorIds.TooManyMappings,
        MemoryErrorIds.NumaBindFailed, MemoryErrorIds.PreallocFailed,
    ];

    /// <summary>The arguments for a backend that is asked for.</summary>
    /// <param name="options">What is asked for.</param>
    /// <param name="report">What <see cref="IMemoryHost.Test"/> says of it: the mode in which the file is opened, the page size.</param>
    /// <param name="version">The version of QEMU.</param>
    /// <exception cref="MemoryBackendException">
    /// The options contradict each other, with the error that New-MemoryBackend gives; or QEMU has no word for one of them
    /// (QemuCannotExpress, QemuIdInvalid), or not that version (QemuVersionTooOld).
    /// </exception>
    public static QemuArgument ToArgument(MemoryBackendOptions options, BackendReport report, Version version)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(report);
        BackendError? error = report.Errors.FirstOrDefault(found => !s_ofThisHost.Contains(found.Id));
        error ??= report.EffectiveMode is null ? report.Errors[0] : null;
        if (error is not null)
        {
            throw new MemoryBackendException(error.Id, error.Message, options.Path ?? options.Id, error.RecommendedAction);
        }

        return Write(options, report.EffectiveMode!.Value, report, version) with
        {
            Warnings = [.. report.Errors.Where(found => found.Id is not (MemoryErrorIds.DuplicateId or MemoryErrorIds.ReservedId))
                .Select(found => new BackendWarning(found.Id, $"As things are here, QEMU may fail: {found.Message}"))],
        };
    }

    /// <summary>The arguments for what a report is about; it knows neither Align, Merge, Dump nor host nodes.</summary>
    /// <inheritdoc cref="ToArgument(MemoryBackendOptions, BackendReport, Version)"/>
    public static QemuArgument ToArgument(BackendReport report, Version version)
    {
        ArgumentNullException.ThrowIfNull(report);
        return ToArgument(OptionsOf(report, report.Id), report, version);
    }

    /// <summary>The arguments for what an outcome tells of; it knows neither Align, Merge, Dump nor host nodes.</summary>
    /// <inheritdoc cref="ToArgument(MemoryBackendOptions, BackendReport, Version)"/>
    public static QemuArgument ToArgument(MappingOutcome outcome, Version version)
    {
        ArgumentNullException.ThrowIfNull(outcome);
        return Write(OptionsOf(outcome, outcome.Id), outcome.EffectiveMode, outcome, version);
    }

    /// <summary>The arguments for a live backend, as it is mapped.</summary>
    /// <inheritdoc cref="ToArgument(MemoryBackendOptions, BackendReport, Version)"/>
    public static QemuArgument ToArgument(MemoryBackendInfo backend, Version version)
    {
        ArgumentNullException.ThrowIfNull(backend);
        return Write(backend.Options with { Id = backend.Id }, backend.Outcome.EffectiveMode, backend.Outcome, version);
    }

    /// <summary>A size as QEMU reads it, in the largest unit that leaves no fraction.</summary>
    internal static string SizeText(long bytes)
    {
        (long unit, string suffix) = bytes switch
        {
            0 => (1, string.Empty),
            _ when bytes % (1L << 30) == 0 => (1L << 30, "G"),
            _ when bytes % (1L << 20) == 0 => (1L << 20, "M"),
            _ when bytes % (1L << 10) == 0 => (1L << 10, "K"),
            _ => (1, string.Empty),
        };
        return string.Create(CultureInfo.InvariantCulture, $"{bytes / unit}{suffix}");
    }

    internal static MemoryBackendException CannotExpress(string what, string why, string? target, string action) =>
        new(MemoryErrorIds.QemuCannotExpress, $"{what} has no word in QEMU: {why}.", target, action);

    private static MemoryBackendOptions OptionsOf(BackendDescription description, string? id) => new()
    {
        Id = id,
        Kind = description.Kind,
        Path = description.Path,
        Size = description.Size,
        Offset = description.Offset,
        Share = description.Share,
        ReadOnly = description.ReadOnly,
        FileAccessMode = description.RequestedMode,
        DiscardPolicy = description.RequestedDiscardPolicy,
        Prealloc = description.Prealloc,
        Reserve = !description.MapFlags.Contains("MAP_NORESERVE", StringComparison.Ordinal),
    };

    private static QemuArgument Write(MemoryBackendOptions options, FileAccessMode mode, BackendDescription facts, Version version)
    {
        ArgumentNullException.ThrowIfNull(version);
        bool isFile = facts.Kind == BackendKind.File;
        bool isReadOnlyFile = isFile && mode == FileAccessMode.ReadOnly;
        string id = CheckId(options.Id ?? "ram0");
        CheckDiscard(options, facts, isReadOnlyFile);
        CheckPrealloc(options, facts);
        CheckAlign(options, facts);
        if (isReadOnlyFile && !options.ReadOnly && version < s_rom)
        {
            throw new MemoryBackendException(
                MemoryErrorIds.QemuVersionTooOld,
                $"Expected QEMU {s_rom} or newer for writable memory over a file that is open ReadOnly (readonly=on,rom=off), "
                + $"found {version}: it has no property 'rom', and its readonly=on makes the memory ROM.",
                id,
                $"Give -QemuVersion {s_rom} or newer, or FileAccessMode ReadWrite.");
        }

        Properties written = new(facts.Kind, version, id);
        written.Add("size", SizeText(options.Size));
        if (isFile)
        {
            written.Add("mem-path", facts.Path ?? options.Path!);
        }

        written.Add("share", OnOff(options.Share));
        if (isFile)
        {
            written.Add("readonly", OnOff(isReadOnlyFile), ifOlder: !isReadOnlyFile);
            written.Add("rom", OnOff(options.ReadOnly), ifOlder: true);
        }

        written.AddIf(options.Offset != 0, "offset", SizeText(options.Offset));
        written.AddIf(isFile && options.Align != 0, "align", SizeText(options.Align));
        written.AddIf(options.Prealloc, "prealloc", "on");
        written.AddIf(options.PreallocThreads != 0, "prealloc-threads", Number(options.PreallocThreads));
        // Huge pages stay reserved here, whatever was asked for.
        written.AddIf(!options.Reserve && !facts.HugeTlb, "reserve", "off");
        written.Add("merge", OnOff(options.Merge));
        written.Add("dump", OnOff(options.Dump));
        foreach (int node in options.HostNodes)
        {
            written.Add("host-nodes", Number(node));
        }

        written.AddIf(options.NumaPolicy != NumaPolicy.Default, "policy", NameOf(options.NumaPolicy));
        return new QemuArgument { Id = id, Arguments = new[] { "-object", written.ToString() } };
    }

    internal static string CheckId(string id) => Identifier().IsMatch(id) ? id : throw new MemoryBackendException(
        MemoryErrorIds.QemuIdInvalid,
        $"Expected an id that QEMU takes, a letter and then letters, digits and '-', '.', '_', found '{id}'.",
        id,
        "Give the backend another Id.");

    private static void CheckDiscard(MemoryBackendOptions options, BackendDescription facts, bool isReadOnlyFile)
    {
        bool isSame = options.DiscardPolicy switch
        {
            DiscardPolicy.Auto => true,
            DiscardPolicy.Deny => isReadOnlyFile,
            DiscardPolicy.ZeroOverlay => facts.Kind == BackendKind.Anonymous,
            DiscardPolicy.PunchHole => !isReadOnlyFile,
            _ => false,
        };
        if (!isSame)
        {
            throw CannotExpress(
                $"DiscardPolicy {options.DiscardPolicy}",
                "it punches holes into a file that is open for writing, drops pages of anonymous memory, and refuses discards of a file "
                + "that is open ReadOnly",
                options.Id,
                "Leave DiscardPolicy at Auto, and give QEMU no device that discards (balloon, virtio-mem).");
        }
    }

    private static void CheckPrealloc(MemoryBackendOptions options, BackendDescription facts)
    {
        string? why = options switch
        {
            { Prealloc: false } => null,
            { ReadOnly: true } => "its prealloc=on writes to each page, and it ends by a fault on memory that is read-only",
            { Reserve: false } when !facts.HugeTlb => "it refuses prealloc=on together with reserve=off",
            { Share: false, ForcePrealloc: false } when facts.Kind != BackendKind.Anonymous =>
                "its prealloc=on copies every page of a private mapping, and here they are read in only",
            _ => null,
        };
        if (why is not null)
        {
            throw CannotExpress("Prealloc", why, options.Id, "Leave out Prealloc, or give ForcePrealloc (-Force) to copy every page.");
        }
    }

    private static void CheckAlign(MemoryBackendOptions options, BackendDescription facts)
    {
        if (facts.Kind != BackendKind.File && options.Align > Math.Max(facts.PageSize, 1))
        {
            throw CannotExpress(
                $"Align of Kind {facts.Kind}", "only memory-backend-file has the property 'align'", options.Id, "Leave out Align.");
        }
    }

    private static string NameOf(NumaPolicy policy) => policy switch
    {
        NumaPolicy.Bind => "bind",
        NumaPolicy.Preferred => "preferred",
        NumaPolicy.Interleave => "interleave",
        _ => "default",
    };

    private static string OnOff(bool value) => value ? "on" : "off";

    private static string Number(int value) => value.ToString(CultureInfo.InvariantCulture);

    [GeneratedRegex(@"\A[A-Za-z][A-Za-z0-9._-]*\z")]
    private static partial Regex Identifier();

    /// <summary>The text behind -object as it grows.</summary>
    private sealed class Properties(BackendKind kind, Version version, string id)
    {
        private readonly List<string> _written = [QemuProperty.ObjectOf(kind), $"id={id}"];

        public void AddIf(bool condition, string name, string value)
        {
            if (condition)
            {
                Add(name, value);
            }
        }

        /// <param name="name">The property.</param>
        /// <param name="value">Its value; commas in it are doubled.</param>
        /// <param name="ifOlder">A version without the property does the same; else it is refused.</param>
        public void Add(string name, string value, bool ifOlder = false)
        {
            QemuProperty property = QemuProperty.Find(kind, name)!;
            if (version >= property.Since)
            {
                _written.Add($"{name}={value.Replace(",", ",,", StringComparison.Ordinal)}");
            }
            else if (!ifOlder)
            {
                throw new MemoryBackendException(
                    MemoryErrorIds.QemuVersionTooOld,
                    $"Expected QEMU {property.Since} or newer for {name}={value}, found {version}: it has no such property.",
                    id,
                    $"Give -QemuVersion {property.Since} or newer, or leave out {property.Here}.");
            }
        }

        public override string ToString() => string.Join(',', _written);
    }
}
