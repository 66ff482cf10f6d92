using System.Collections.Concurrent;
using PsVm.Machine.Board;
using PsVm.Memory;
using PsVm.Memory.Mapping;
using PsVm.Riscv;

namespace PsVm.Machine.Templates;

/// <summary>A template as guests start from it: read and checked once, and kept until one of its two small files changes.</summary>
internal sealed class TemplateSource
{
    /// <summary>The description's file.</summary>
    public const string ManifestFile = "template.json";

    /// <summary>The machine state's file.</summary>
    public const string StateFileName = "state.bin";

    // Templates in use at one time are few; a bound keeps a long-lived process from collecting them.
    private const int MaxKept = 64;

    // Far more than any has; what is larger is something else.
    private const int MostManifestBytes = 1 << 20;
    private const int MostStateBytes = 1 << 28;

    private static readonly ConcurrentDictionary<string, TemplateSource> s_kept = new();

    private readonly FileIdentity? _manifest;
    private readonly FileIdentity? _state;

    private TemplateSource(string folder)
    {
        string statePath = Path.Combine(folder, StateFileName);
        (_manifest, _state) = Identify(folder);
        Template = ReadDescription(folder);
        State = MachineState.Read(statePath, TemplateFile.ReadAll(statePath, MostStateBytes), Template.Id);
        Check(Template, State);
        Changes = State.ReadChanges(Template);
    }

    /// <summary>Its description.</summary>
    public GuestTemplate Template { get; }

    /// <summary>Its machine state.</summary>
    public MachineState State { get; }

    /// <summary>What a differential template holds of each block of RAM.</summary>
    public IReadOnlyList<IReadOnlyList<PageRange>>? Changes { get; }

    /// <summary>A template, ready to start from.</summary>
    /// <exception cref="GuestException">It is not there, not whole, altered, or of another kind of machine.</exception>
    public static TemplateSource Open(string path)
    {
        string folder = FullPath(path);
        if (s_kept.TryGetValue(folder, out TemplateSource? kept) && (kept._manifest, kept._state) == Identify(folder))
        {
            return kept;
        }

        TemplateSource read = new(folder);
        if (s_kept.Count >= MaxKept)
        {
            s_kept.Clear();
        }

        return s_kept[folder] = read;
    }

    /// <summary>Reads a template's description alone.</summary>
    /// <exception cref="GuestException">It is not there, or not what the format says.</exception>
    public static GuestTemplate ReadDescription(string path)
    {
        string folder = FullPath(path);
        if (!Directory.Exists(folder))
        {
            throw new GuestException(
                GuestErrorIds.TemplateNotFound,
                $"Expected a template's folder at '{folder}', found {(File.Exists(folder) ? "a file" : "nothing")}.",
                folder);
        }

        string manifest = Path.Combine(folder, ManifestFile);
        return TemplateManifest.Read(manifest, TemplateFile.ReadAll(manifest, MostManifestBytes)).ToTemplate(folder);
    }

    /// <summary>A path as templates are known by: absolute, and without a separator at its end.</summary>
    public static string FullPath(string path) => Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));

    /// <summary>The template that a differential one needs.</summary>
    /// <exception cref="GuestException">It is gone, or another one.</exception>
    public GuestTemplate OpenParent() => ReadParent(Template.Path, Template.Parent!, Template.RamBlocks);

    /// <summary>Reads the template that a differential one needs.</summary>
    /// <param name="child">Path of the differential one.</param>
    /// <param name="expected">What it needs.</param>
    /// <param name="blocks">Its blocks of RAM.</param>
    /// <exception cref="GuestException">It is gone, or another one.</exception>
    public static GuestTemplate ReadParent(string child, TemplateParent expected, IReadOnlyList<TemplateRamBlock> blocks)
    {
        GuestTemplate parent;
        try
        {
            parent = ReadDescription(expected.Path);
        }
        catch (GuestException missing) when (missing.ErrorId is GuestErrorIds.TemplateNotFound or GuestErrorIds.TemplateIncomplete)
        {
            throw new GuestException(
                GuestErrorIds.TemplateParentNotFound,
                $"Expected the template that '{child}' is made on, {expected.Id}, at '{expected.Path}', found none.",
                child,
                "Put the parent back where it was.",
                missing);
        }

        bool fits = parent.Id == expected.Id && !parent.Differential
            && parent.RamBlocks.Select(block => block.Size).SequenceEqual(blocks.Select(block => block.Size));
        return fits ? parent : throw new GuestException(
            GuestErrorIds.TemplateParentChanged,
            $"Expected at '{expected.Path}' template {expected.Id}, which '{child}' is made on, found template {parent.Id}.",
            child,
            "Put the parent back where it was.");
    }

    /// <summary>A template that this version's board can continue.</summary>
    private static void Check(GuestTemplate template, MachineState state)
    {
        MachineState.Identity machine = state.ReadIdentity();
        TemplateNeeds.Check(template, template.MachineType);
        string[] unlisted = [.. state.Devices.Except(template.Devices)];
        if (unlisted.Length > 0)
        {
            throw new GuestException(
                GuestErrorIds.TemplateMachineMismatch,
                $"Expected a description that names the devices whose state there is, found none of {string.Join(", ", unlisted)} in it.",
                template.Path,
                "Take the template from a backup, or make it again.");
        }

        if (template.Harts != machine.Harts || template.Harts is < 1 or > MemoryMap.MaxHarts)
        {
            throw new GuestException(
                GuestErrorIds.TemplateHartsMismatch,
                $"Expected the machine state of {template.Harts} harts, as the description says, found that of {machine.Harts}.",
                template.Path);
        }
    }

    private static (FileIdentity? Manifest, FileIdentity? State) Identify(string folder) => (
        MemoryBackends.Identify(Path.Combine(folder, ManifestFile)), MemoryBackends.Identify(Path.Combine(folder, StateFileName)));
}
