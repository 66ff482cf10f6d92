using PsVm.Machine.Board;
using PsVm.Machine.Devices;
using PsVm.Machine.Firmware;
using PsVm.Memory;
using PsVm.Memory.Options;
using PsVm.Riscv;

namespace PsVm.Machine.Templates;

/// <summary>Templates on disk: reads, tests, lists and removes them. Making them and starting from them is <see cref="IGuestHost"/>'s.</summary>
public static class GuestTemplates
{
    /// <summary>Reads a template's description.</summary>
    /// <param name="path">Its folder.</param>
    /// <exception cref="GuestException">There is none, or it is not what the format says.</exception>
    public static GuestTemplate Read(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return TemplateSource.ReadDescription(path);
    }

    /// <summary>Finds out whether guests can start from a template, without starting one.</summary>
    /// <param name="path">Its folder.</param>
    /// <param name="verify">Compare the SHA-256 of its RAM files, which reads all of them.</param>
    /// <param name="cancellation">Gives up.</param>
    public static TemplateReport Test(string path, bool verify = false, CancellationToken cancellation = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        List<TemplateError> errors = [];
        GuestTemplate? template = null;
        TemplateSource? source = null;
        Try(() => template = TemplateSource.ReadDescription(path));
        if (template is not null)
        {
            Try(() => source = TemplateSource.Open(path));
            if (source is null || !verify)
            {
                CheckFiles(template);
            }
        }

        if (source is not null)
        {
            Try(() => TryRestore(source, new GuestMemory([])));
            if (source.Template.Differential && errors.Count == 0 && !verify)
            {
                Try(() => CheckFiles(source.OpenParent()));
            }

            if (errors.Count == 0)
            {
                // What a start does, up to the first instruction, so that the two cannot disagree.
                Try(() => TryStart(source, verify, cancellation));
            }
        }

        return new TemplateReport { Path = TemplateSource.FullPath(path), Verified = verify, Template = template, Errors = errors };

        void CheckFiles(GuestTemplate files)
        {
            foreach (TemplateRamBlock block in files.RamBlocks)
            {
                Try(() => RamFileCheck.Check(block, verify && source is null, cancellation));
            }
        }

        void Try(Action check)
        {
            try
            {
                check();
            }
            catch (PsVmException error)
            {
                errors.Add(TemplateErrors.ToFinding(error));
            }
        }
    }

    /// <summary>Templates in a folder, by name; what cannot be read is left out.</summary>
    /// <param name="folder">The folder.</param>
    /// <exception cref="GuestException">The folder cannot be read.</exception>
    public static IReadOnlyList<GuestTemplate> List(string folder)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        List<GuestTemplate> found = [];
        foreach (string path in Folders(folder))
        {
            try
            {
                found.Add(TemplateSource.ReadDescription(path));
            }
            catch (GuestException)
            {
                // No template, or none that this version can read: Test says why.
            }
        }

        return found;
    }

    /// <summary>Folders that checkpoints which were cut short left in a folder. The next checkpoint to there removes them.</summary>
    /// <param name="folder">The folder.</param>
    public static IReadOnlyList<string> Leftovers(string folder)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        return [.. TemplateLeftovers.In(Path.GetFullPath(folder), FolderCalls.Kernel)];
    }

    /// <summary>
    /// Removes a template, but not RAM files that it only took over. Guests that run from it go on. Of a symbolic link to one only the link
    /// goes.
    /// </summary>
    /// <param name="path">Its folder.</param>
    /// <exception cref="GuestException">There is none, or it cannot be removed.</exception>
    public static void Remove(string path)
    {
        GuestTemplate template = Read(path);
        try
        {
            if (new DirectoryInfo(template.Path).LinkTarget is not null)
            {
                File.Delete(template.Path);
                return;
            }

            // The description goes first: what is left of a removal that was cut short is no template.
            string[] own =
            [
                Path.Combine(template.Path, TemplateSource.ManifestFile),
                Path.Combine(template.Path, TemplateSource.StateFileName),
                .. template.RamBlocks.Where(block => block.InTemplate).Select(block => block.File),
            ];
            if (Directory.EnumerateFileSystemEntries(template.Path).Except(own).FirstOrDefault() is { } other)
            {
                throw new IOException($"'{Path.GetFileName(other)}' is in the folder and is none of the template's files, so all of it stays");
            }

            Array.ForEach(own, File.Delete);
            Directory.Delete(template.Path);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw TemplateErrors.Unwritable(template.Path, failure);
        }
    }

    private static IEnumerable<string> Folders(string folder)
    {
        try
        {
            // Names that begin with a dot are templates being written.
            return Directory.GetDirectories(folder).Where(path => !Path.GetFileName(path).StartsWith('.')).Order(StringComparer.Ordinal);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw TemplateErrors.Unreadable(Path.GetFullPath(folder), failure);
        }
    }

    /// <summary>Maps the RAM and brings a board to the state.</summary>
    private static void TryStart(TemplateSource source, bool verify, CancellationToken cancellation)
    {
        GuestOptions options = new()
        {
            Name = "test",
            Template = source.Template.Path,
            MachineType = MachineTypes.Resolve(source.Template.MachineType),
            Verify = verify,
        };
        using MemoryBackends backends = new(_ => null);
        using GuestRam ram = TemplateRam.Map(backends, options, source, cancellation);
        TryRestore(source, ram.Memory);
    }

    private static void TryRestore(TemplateSource source, GuestMemory memory)
    {
        MachineState.Identity machine = source.State.ReadIdentity();
        using CodeCache code = new(TranslatorOptions.Off);
        GuestConsole console = new();
        Func<GuestBoard, ISupervisorEnvironment>? environment = machine.Firmware ? null : Sbi.For(memory, console, Ignore);
        MachineType type = MachineType.Get(source.Template.MachineType);
        using GuestBoard board = new(type, memory, machine.Harts, environment, code, console, Ignore);
        source.State.Restore(board);

        static void Ignore(PowerRequest request, uint code)
        {
        }
    }
}
