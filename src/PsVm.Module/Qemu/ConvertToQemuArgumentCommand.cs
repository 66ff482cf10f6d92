using System.Globalization;
using System.Management.Automation;
using System.Text.RegularExpressions;
using PsVm.Module.Completion;
using PsVm.Module.Guests;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Qemu;

/// <summary>Says in QEMU's words what a backend or guest is: arguments to splat, and a line for a shell.</summary>
[Cmdlet(VerbsData.ConvertTo, "QemuArgument", DefaultParameterSetName = "Backend")]
[OutputType(typeof(QemuArgument))]
public sealed partial class ConvertToQemuArgumentCommand : PsVmCmdlet
{
    private int _unnamed;

    /// <summary>
    /// Backends (objects, ids, patterns), options, reports, outcomes, or guests (objects, or names when no backend has that id).
    /// </summary>
    [Parameter(Mandatory = true, Position = 0, ParameterSetName = "Backend", ValueFromPipeline = true)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(BackendIdCompleter))]
    [Alias("MemoryBackend", "Id")]
    public object[] InputObject { get; set; } = [];

    /// <summary>Guests: names, patterns with *, ? and [ ], or objects.</summary>
    [Parameter(Mandatory = true, ParameterSetName = "Guest")]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [GuestIdentity]
    [ArgumentCompleter(typeof(GuestNameCompleter))]
    public GuestReference[] Guest { get; set; } = [];

    /// <summary>The version of QEMU that is to take the arguments.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(NothingCompleter))]
    public string QemuVersion { get; set; } = "10.0";

    internal static void Run(
        IEnumerable<object> inputs, Version version, IMemoryHost memory, ICmdletOutput output, CancellationToken cancellation) =>
        CmdletWorks.ForEach(inputs, output, input =>
        {
            foreach (QemuArgument argument in Convert(input, version, memory, output, cancellation))
            {
                output.WriteWarnings(argument.Warnings);
                output.WriteObject(argument);
            }
        }, cancellation);

    /// <summary>A version as people write it: <c>10</c>, <c>8.2</c>, <c>v9.1.0</c>, <c>10.0.13 (Debian ...)</c>.</summary>
    /// <exception cref="CmdletException">QemuVersionInvalid.</exception>
    internal static Version ParseVersion(string text)
    {
        Match match = VersionText().Match(text);
        return match.Success && int.TryParse(match.Groups[1].Value, CultureInfo.InvariantCulture, out int major)
            ? new Version(major, int.TryParse(match.Groups[2].Value, CultureInfo.InvariantCulture, out int minor) ? minor : 0)
            : throw new CmdletException(
                MemoryErrorIds.QemuVersionInvalid,
                $"Expected a version of QEMU such as 10.0, found '{text}'.",
                text,
                "Give what `qemu-system-riscv64 --version` says.");
    }

    private protected override CmdletWork Bind()
    {
        Version version = ParseVersion(QemuVersion);
        IMemoryHost memory = ModuleServices.Memory;
        if (ParameterSetName == "Guest")
        {
            GuestReference[] wanted = Guest;
            IGuestHost guests = ModuleServices.Guests;
            return (output, cancellation) =>
                Run(Selection.Guests(wanted, guests, output, cancellation), version, memory, output, cancellation);
        }

        object[] inputs = [.. InputObject.Select(Named)];
        return (output, cancellation) => Run(inputs, version, memory, output, cancellation);
    }

    private static IEnumerable<QemuArgument> Convert(
        object input, Version version, IMemoryHost memory, ICmdletOutput output, CancellationToken cancellation) => input switch
        {
            MemoryBackendInfo backend => [QemuBackend.ToArgument(backend, version)],
            MemoryBackendOptions options => [QemuBackend.ToArgument(options, memory.Test(options, cancellation), version)],
            BackendReport report => [QemuBackend.ToArgument(report, version)],
            MappingOutcome outcome => [OfOutcome(outcome, version, memory, cancellation)],
            GuestInfo guest =>
            [
                QemuGuest.ToArgument(
                    guest,
                    [.. guest.Backends.Select(ram => OfOutcome(ram, version, memory, cancellation))],
                    version,
                    [.. DisksAndFolders(guest, ModuleServices.Guests, cancellation)]),
            ],
            BackendReference or string => Selection.Backends([AsReference(input)], memory, output, cancellation)
                .Select(backend => QemuBackend.ToArgument(backend, version)),
            _ => throw new CmdletException(
                ModuleErrorIds.InputNotConvertible,
                $"Expected a memory backend, its id, options, a report, an outcome or a guest, found {input.GetType().Name} '{input}'.",
                input.ToString(),
                "Pipe in what Get-MemoryBackend, Get-Guest or Test-BackendOptions -Detailed gives."),
        };

    // A live backend knows more than its outcome tells.
    private static QemuArgument OfOutcome(MappingOutcome outcome, Version version, IMemoryHost memory, CancellationToken cancellation) =>
        memory.List(cancellation).FirstOrDefault(backend => backend.Outcome == outcome) is { } live
            ? QemuBackend.ToArgument(live, version)
            : QemuBackend.ToArgument(outcome, version);

    // Of a guest that is gone nobody knows.
    private static IEnumerable<string> DisksAndFolders(GuestInfo guest, IGuestHost host, CancellationToken cancellation) =>
        host.List(cancellation).Any(one => one.Id == guest.Id)
            ?
            [
                .. host.GetDisks(guest.Reference, cancellation).Select(disk => $"disk '{disk.Name}'"),
                .. host.SharedFolders.Get(guest.Reference, cancellation).Select(folder => $"shared folder '{folder.Tag}'"),
            ]
            : [];

    private static BackendReference AsReference(object input) => input is BackendReference reference ? reference : new((string)input);

    // Runs on the pipeline thread: paths are the session's. Options without an id get one each, since QEMU wants one.
    private object Named(object input)
    {
        object value = input is PSObject { BaseObject: not PSCustomObject } wrapped ? wrapped.BaseObject : input;
        return value switch
        {
            PsVm.Guest guest => guest.GetInfo(),
            MemoryBackendOptions options => options with
            {
                Id = options.Id ?? NextId(),
                Path = string.IsNullOrEmpty(options.Path) ? options.Path : ResolvePath(options.Path),
            },
            BackendReport { Id: null } report => report with { Id = NextId() },
            string name when AsGuest(name) is { } named => named,
            PSObject row when row.Properties["Id"]?.Value is string id => id,
            _ => value,
        };
    }

    // A name that no backend has as its id may be a guest's.
    private static GuestInfo? AsGuest(string name) => NamePattern.IsPattern(name) || StartInput.IsBackend(name, ModuleServices.Memory)
        ? null
        : ModuleServices.Guests.List().FirstOrDefault(guest => guest.Name.Equals(name, StringComparison.OrdinalIgnoreCase));

    private string NextId() => string.Create(CultureInfo.InvariantCulture, $"ram{_unnamed++}");

    [GeneratedRegex(@"^\s*v?(\d+)(?:\.(\d+))?(?!\d)")]
    private static partial Regex VersionText();
}
