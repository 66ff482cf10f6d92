namespace PsVm;

/// <summary>Reads memory backends out of QEMU's arguments. Pure.</summary>
/// <remarks>
/// Files are not looked at, and contradictions are left to who tests the options. Source: QEMU's <c>qapi/qom.json</c> and the
/// documentation of <c>-object</c> and <c>-machine</c>; see <see cref="QemuProperty"/>.
/// </remarks>
public static class QemuBackendReader
{
    // QEMU's MAX_NODES.
    private const int HostNodeLimit = 128;

    private const string Prefix = "memory-backend-";

    private static readonly Dictionary<string, BackendKind> s_kinds =
        Enum.GetValues<BackendKind>().ToDictionary(QemuProperty.ObjectOf, StringComparer.Ordinal);

    private static readonly Dictionary<string, string> s_refused = new(StringComparer.Ordinal)
    {
        ["memory-backend-shm"] = "POSIX shared memory is a file in /dev/shm: give that as Path, or use Kind Memfd",
        ["memory-backend-epc"] = "SGX enclave memory is nothing that a RISC-V guest has",
    };

    /// <summary>The memory backends among QEMU's arguments, as texts for <see cref="Read"/>.</summary>
    /// <param name="arguments">
    /// Arguments, whole command lines (which have a blank before or behind <c>-object</c>), or what stands behind <c>-object</c> alone.
    /// </param>
    /// <exception cref="MemoryBackendException">There is none (QemuBackendMissing), or a quote has no end (QemuValueInvalid).</exception>
    public static QemuBackendTexts Find(IEnumerable<string> arguments)
    {
        List<string> tokens = [.. arguments.SelectMany(argument => IsLine(argument) ? QemuCommandLine.Split(argument) : [argument])];
        List<string> found = [];
        QemuBackendTexts texts = new([], Merge: true, Dump: true);
        for (int at = 0; at < tokens.Count; at++)
        {
            string option = tokens[at].StartsWith("--", StringComparison.Ordinal) ? tokens[at][1..] : tokens[at];
            string? value = at + 1 < tokens.Count ? tokens[at + 1] : null;
            if (option == "-object" && value is not null)
            {
                at++;
                if (IsBackend(value))
                {
                    found.Add(value);
                }
            }
            else if (option is "-machine" or "-M" && value is not null)
            {
                at++;
                QemuObject machine = QemuObject.Parse($"qom-type=machine,type={value}");
                texts = texts with { Merge = machine.OnOff("mem-merge", texts.Merge), Dump = machine.OnOff("dump-guest-core", texts.Dump) };
            }
            else if (IsBackend(option))
            {
                found.Add(option);
            }
        }

        return found.Count > 0 ? texts with { Texts = found } : throw new MemoryBackendException(
            MemoryErrorIds.QemuBackendMissing,
            $"Expected -object {Prefix}file, {Prefix}ram or {Prefix}memfd among QEMU's arguments, found none.",
            tokens.FirstOrDefault(),
            "Give the command line, its arguments, or what stands behind -object.");
    }

    /// <summary>The options of one backend.</summary>
    /// <param name="text">What stands behind <c>-object</c>: keys and values, or JSON.</param>
    /// <param name="merge">What a backend without <c>merge</c> has: the machine's <c>mem-merge</c>.</param>
    /// <param name="dump">What a backend without <c>dump</c> has: the machine's <c>dump-guest-core</c>.</param>
    /// <exception cref="MemoryBackendException">
    /// QemuBackendUnknown, QemuPropertyUnknown, QemuPropertyRefused, QemuIdInvalid or QemuValueInvalid.
    /// </exception>
    public static MemoryBackendOptions Read(string text, bool merge = true, bool dump = true)
    {
        ArgumentNullException.ThrowIfNull(text);
        QemuObject given = QemuObject.Parse(text);
        BackendKind kind = KindOf(given);
        CheckNames(given, kind);
        Refuse(given, "discard-data");
        Refuse(given, "hugetlb");
        Refuse(given, "pmem");
        _ = given.OnOff("seal", true);
        _ = given.OnOff("x-use-canonical-path-for-ramblock-id", false);
        _ = given.Size("hugetlbsize", 0);
        bool isFile = kind == BackendKind.File;
        bool readOnlyFile = given.OnOff("readonly", false);
        bool share = given.OnOff("share", kind == BackendKind.Memfd);
        bool prealloc = given.OnOff("prealloc", false);
        return new MemoryBackendOptions
        {
            Id = given.Id is { } id ? QemuBackend.CheckId(id) : throw Missing(given, "id"),
            Kind = kind,
            Path = !isFile ? null : given.Has("mem-path") ? given.Text("mem-path") : throw Missing(given, "mem-path"),
            Size = given.Has("size") ? given.Size("size", 0) : throw Missing(given, "size"),
            Offset = given.Size("offset", 0),
            Align = given.Size("align", 0),
            Share = share,
            ReadOnly = given.Word("rom", readOnlyFile, ("on", true), ("off", false), ("auto", readOnlyFile)),
            FileAccessMode = !isFile ? FileAccessMode.Auto : readOnlyFile ? FileAccessMode.ReadOnly : FileAccessMode.ReadWrite,
            Prealloc = prealloc,
            ForcePrealloc = prealloc && !share && kind != BackendKind.Anonymous,
            PreallocThreads = given.Has("prealloc-threads") ? given.Number("prealloc-threads", least: 1) : 0,
            Reserve = given.OnOff("reserve", true),
            Merge = given.OnOff("merge", merge),
            Dump = given.OnOff("dump", dump),
            HostNodes = given.Numbers("host-nodes", HostNodeLimit),
            NumaPolicy = given.Word(
                "policy",
                NumaPolicy.Default,
                ("default", NumaPolicy.Default),
                ("preferred", NumaPolicy.Preferred),
                ("bind", NumaPolicy.Bind),
                ("interleave", NumaPolicy.Interleave)),
        };
    }

    private static bool IsLine(string argument) =>
        argument.Any(char.IsWhiteSpace) && argument.Split().Any(word => word is "-object" or "--object");

    private static bool IsBackend(string text) =>
        text.StartsWith(Prefix, StringComparison.Ordinal)
        || ((text.StartsWith('{') || text.Contains("qom-type=", StringComparison.Ordinal))
            && text.Contains(Prefix, StringComparison.Ordinal));

    private static BackendKind KindOf(QemuObject given) =>
        s_kinds.TryGetValue(given.Type, out BackendKind kind) ? kind : throw new MemoryBackendException(
            MemoryErrorIds.QemuBackendUnknown,
            s_refused.TryGetValue(given.Type, out string? why)
                ? $"'{given.Type}' has no counterpart here: {why}."
                : $"Expected {string.Join(", ", s_kinds.Keys)}, found '{given.Type}'.{NearestName.Hint(given.Type, s_kinds.Keys)}",
            given.Type);

    private static void CheckNames(QemuObject given, BackendKind kind)
    {
        foreach (string name in given.Names.Where(name => QemuProperty.Find(kind, name) is null))
        {
            bool isOfOthers = QemuProperty.All.Any(property => property.Name == name);
            string hint = NearestName.Hint(
                name, QemuProperty.All.Where(property => property.Kinds.Contains(kind)).Select(property => property.Name));
            throw new MemoryBackendException(
                MemoryErrorIds.QemuPropertyUnknown,
                $"Expected a property of {given.Type}, found '{name}'{(isOfOthers ? ", which other memory backends have." : $".{hint}")}",
                name);
        }

        if (given.Has("prealloc-context"))
        {
            throw Refused("prealloc-context");
        }
    }

    private static void Refuse(QemuObject given, string name)
    {
        if (given.OnOff(name, false))
        {
            throw Refused(name);
        }
    }

    private static MemoryBackendException Refused(string name) => new(
        MemoryErrorIds.QemuPropertyRefused,
        $"'{name}' has no counterpart here: {QemuProperty.All.First(property => property.Name == name).Here}.",
        name,
        $"Leave out {name}.");

    private static MemoryBackendException Missing(QemuObject given, string name) => new(
        MemoryErrorIds.QemuValueInvalid, $"Expected {given.Type} to have '{name}', found none.", given.Id ?? given.Type, $"Give {name}=.");
}

/// <summary>Memory backends among QEMU's arguments, and what those have that do not say themselves.</summary>
/// <param name="Texts">What stands behind each <c>-object</c>.</param>
/// <param name="Merge">The machine's <c>mem-merge</c>.</param>
/// <param name="Dump">The machine's <c>dump-guest-core</c>.</param>
public sealed record QemuBackendTexts(IReadOnlyList<string> Texts, bool Merge, bool Dump);
