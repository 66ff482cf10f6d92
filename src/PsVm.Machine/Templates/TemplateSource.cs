using System.Collections.Concurrent;
using PsVm.Machine.Board;
using PsVm.Memory;
using PsVm.Memory.Files;
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

    /// <summary>Most bytes that a description may have: far more than any has.</summary>
    public const int MostManifestBytes = 1 << 20;

    /// <summary>Most bytes that a machine state may have.</summary>
    public const int MostStateBytes = 1 << 28;

    private static readonly ConcurrentDictionary<string, TemplateSource> s_kept = new();

    private readonly string _manifestPath, _statePath;
    private readonly FileIdentity? _manifest;
    private readonly FileIdentity? _state;
    private readonly TemplateFiles<LayerFile> _layers;
    private TemplateChain? _chain;
    private string? _machineType;

    private TemplateSource(string folder)
    {
        _manifestPath = Path.Combine(folder, ManifestFile);
        _statePath = Path.Combine(folder, StateFileName);
        (_manifest, _state) = (MemoryBackends.Identify(_manifestPath), MemoryBackends.Identify(_statePath));
        Template = ReadDescriptionOnce(folder);
        State = MachineState.Read(_statePath, TemplateFile.ReadAll(_statePath, MostStateBytes), Template.Id);
        Check(Template, State);
        Changes = State.ReadChanges(Template);
        _layers = new TemplateFiles<LayerFile>(Template.RamBlocks.Count);
        DiskLayers = new TemplateDiskLayers(Template);
    }

    /// <summary>Its description.</summary>
    public GuestTemplate Template { get; }

    /// <summary>Its machine state.</summary>
    public MachineState State { get; }

    /// <summary>What was written over its disks.</summary>
    public TemplateDiskLayers DiskLayers { get; }

    /// <summary>What a differential template holds of each block of RAM.</summary>
    public IReadOnlyList<IReadOnlyList<PageRange>>? Changes { get; }

    /// <summary>A template, ready to start from.</summary>
    /// <param name="path">Its folder.</param>
    /// <param name="generation">Which one was there just now; null: it is looked up.</param>
    /// <exception cref="GuestException">It is not there, not whole, altered, or of another kind of machine.</exception>
    public static TemplateSource Open(string path, TemplateGeneration? generation = null)
    {
        string folder = FullPath(path);
        return Known(folder) ?? TemplateGeneration.Settled(folder, () => OpenOnce(folder), generation);
    }

    /// <summary>Reads the files of a template that has not taken its place yet, and checks what a start would check of them.</summary>
    /// <exception cref="GuestException">They are not what the format says.</exception>
    public static void CheckFiles(string folder) => _ = new TemplateSource(FullPath(folder));

    /// <summary>Reads a template's description alone.</summary>
    /// <exception cref="GuestException">It is not there, or not what the format says.</exception>
    public static GuestTemplate ReadDescription(string path)
    {
        string folder = FullPath(path);
        return TemplateGeneration.Settled(folder, () => ReadDescriptionOnce(folder));
    }

    private static TemplateSource? Known(string folder) =>
        s_kept.TryGetValue(folder, out TemplateSource? kept) && kept.IsCurrent ? kept : null;

    private static TemplateSource OpenOnce(string folder)
    {
        if (Known(folder) is { } known)
        {
            return known;
        }

        TemplateSource read = new(folder);
        if (s_kept.Count >= MaxKept)
        {
            s_kept.Clear();
        }

        return s_kept[folder] = read;
    }

    private static GuestTemplate ReadDescriptionOnce(string folder)
    {
        if (!Directory.Exists(folder))
        {
            throw TemplateErrors.NotFound(folder);
        }

        string manifest = Path.Combine(folder, ManifestFile);
        if (!File.Exists(manifest))
        {
            throw TemplateErrors.WithoutDescription(folder, manifest);
        }

        return TemplateManifest.Read(manifest, TemplateFile.ReadAll(manifest, MostManifestBytes)).ToTemplate(folder);
    }

    /// <summary>A path as templates are known by: absolute, and without a separator at its end.</summary>
    public static string FullPath(string path) => Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));

    /// <summary>It and the templates that it needs, found once and kept until one of their small files changes.</summary>
    /// <param name="searchPath">Folders in which those are looked for too.</param>
    /// <exception cref="GuestException">One is gone, or another one.</exception>
    public TemplateChain OpenChain(IReadOnlyList<string> searchPath) =>
        _chain is { IsCurrent: true } chain ? chain : _chain = TemplateChain.Find(this, searchPath);

    /// <summary>Its two small files are what they were when it was read.</summary>
    public bool IsCurrent => MemoryBackends.Identify(_manifestPath) == _manifest && MemoryBackends.Identify(_statePath) == _state;

    /// <summary>Sees to it that a machine type has what it needs; what has, has it for ever.</summary>
    /// <param name="machineType">The machine type, a version.</param>
    /// <exception cref="GuestException">There is no such board, or it lacks devices or instructions.</exception>
    public void CheckNeeds(string machineType)
    {
        if (machineType != _machineType)
        {
            TemplateNeeds.Check(Template, machineType);
            _machineType = machineType;
        }
    }

    /// <summary>The open file of a block of a differential template, held for the caller: all who map it have one descriptor.</summary>
    /// <param name="index">Number of the block.</param>
    /// <param name="verify">Read it in any case.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="GuestException">The file is not what was recorded.</exception>
    /// <exception cref="MemoryBackendException">Somebody writes to it.</exception>
    public LayerFile HoldLayer(int index, bool verify, CancellationToken cancellation)
    {
        TemplateRamBlock block = Template.RamBlocks[index];
        return _layers.Hold(index, block, file => LayerFile.Take(file, block.File, block.Size), verify, cancellation);
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

        if (template.Harts != machine.Harts)
        {
            throw new GuestException(
                GuestErrorIds.TemplateHartsMismatch,
                $"Expected the machine state of {template.Harts} harts, as the description says, found that of {machine.Harts}.",
                template.Path);
        }
    }
}
