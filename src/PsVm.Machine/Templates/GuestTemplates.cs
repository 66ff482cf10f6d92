using System.Runtime.InteropServices;
using Mono.Unix.Native;
using PsVm.Machine.Board;
using PsVm.Machine.Board.Slots;
using PsVm.Machine.Devices;
using PsVm.Machine.Firmware;
using PsVm.Machine.State;
using PsVm.Memory;
using PsVm.Memory.Options;
using PsVm.Riscv;

namespace PsVm.Machine.Templates;

/// <summary>
/// Templates on disk: reads, tests, lists and removes them. Making them and starting from them is <see cref="IGuestHost"/>'s.
/// </summary>
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
    /// <param name="searchPath">Folders in which the templates that it needs are looked for too; null: none.</param>
    /// <param name="cancellation">Gives up.</param>
    public static TemplateReport Test(
        string path, bool verify = false, IReadOnlyList<string>? searchPath = null, CancellationToken cancellation = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return TemplateGeneration.Settled(path, () => TestOnce(path, verify, searchPath ?? [], cancellation), report => report.IsValid);
    }

    private static TemplateReport TestOnce(string path, bool verify, IReadOnlyList<string> searchPath, CancellationToken cancellation)
    {
        List<TemplateError> errors = [];
        GuestTemplate? template = null;
        TemplateSource? source = null;
        bool isCompared = false;
        Try(() => template = TemplateSource.ReadDescription(path));
        if (template is not null)
        {
            Try(() => source = TemplateSource.Open(path));
            if (source is null || !verify)
            {
                isCompared = verify;
                CheckFiles(template);
            }
        }

        if (source is not null)
        {
            Try(() => TryRestore(source, new GuestMemory([])));
            if (source.Template.Differential && errors.Count == 0 && !verify)
            {
                Try(() => source.OpenChain(searchPath).Levels.Skip(1).ToList().ForEach(level => CheckFiles(level.Template)));
            }

            if (errors.Count == 0)
            {
                // What a start does, up to the first instruction, so that the two cannot disagree.
                isCompared = verify;
                Try(() => TryStart(source, verify, searchPath, cancellation));
            }
        }

        return new TemplateReport { Path = TemplateSource.FullPath(path), Verified = isCompared, Template = template, Errors = errors };

        void CheckFiles(GuestTemplate files)
        {
            foreach (TemplatePart part in TemplatePart.Of(files))
            {
                Try(() => RamFileCheck.Check(part, verify && source is null, cancellation));
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

    /// <summary>Templates in a folder, by name, also damaged ones: a report without a template says what is wrong.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="GuestException">The folder cannot be read.</exception>
    public static IReadOnlyList<TemplateReport> List(string folder, CancellationToken cancellation = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        List<TemplateReport> found = [];
        foreach (string path in Folders(folder).Where(Exists))
        {
            cancellation.ThrowIfCancellationRequested();
            string full = TemplateSource.FullPath(path);
            try
            {
                found.Add(new TemplateReport { Path = full, Template = TemplateSource.ReadDescription(path) });
            }
            catch (GuestException error)
            {
                found.Add(new TemplateReport { Path = full, Errors = [TemplateErrors.ToFinding(error)] });
            }
        }

        return found;
    }

    /// <summary>Whether a folder is a template, or one that was damaged: it has a description, or what only templates have.</summary>
    /// <param name="path">The folder.</param>
    public static bool Exists(string path) =>
        File.Exists(Path.Combine(path, TemplateSource.ManifestFile)) || TemplateLeftovers.IsDamagedTemplate(path);

    /// <summary>Folders that checkpoints which were cut short left in a folder. The next checkpoint to there removes them.</summary>
    /// <param name="folder">The folder.</param>
    public static IReadOnlyList<string> Leftovers(string folder)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        return [.. TemplateLeftovers.In(Path.GetFullPath(folder), FolderCalls.Kernel)];
    }

    /// <summary>
    /// Removes a template, but not RAM files that it only took over. Guests that run from it go on. Of a symbolic link to one only the link
    /// goes. A damaged template goes when its folder holds files of templates and nothing else.
    /// </summary>
    /// <param name="path">Its folder.</param>
    /// <exception cref="GuestException">There is none, or it cannot be removed.</exception>
    public static void Remove(string path)
    {
        string full = TemplateSource.FullPath(path);
        try
        {
            using HeldFolder? folder = HeldFolder.TryOpen(full, out Errno error);
            if (FilesToRemove(full, folder, error) is not { } files)
            {
                File.Delete(full);
                return;
            }

            Array.ForEach(files, file => File.Delete(folder!.In(file)));
            if (!folder!.Remove(full))
            {
                throw new IOException("something came there meanwhile, which stays");
            }

            WorkingSet.Forget(full);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw TemplateErrors.Unwritable(full, failure);
        }
    }

    /// <summary>Finds out whether <see cref="Remove"/> would find a template to remove; nothing changes.</summary>
    /// <param name="path">Its folder.</param>
    /// <exception cref="GuestException">There is none, or its folder holds something else, too.</exception>
    public static void CheckRemove(string path)
    {
        string full = TemplateSource.FullPath(path);
        try
        {
            using HeldFolder? folder = HeldFolder.TryOpen(full, out Errno error);
            _ = FilesToRemove(full, folder, error);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw TemplateErrors.Unwritable(full, failure);
        }
    }

    /// <summary>
    /// Names of all files in a template's folder, the description first: what a removal that was cut short leaves is no template.
    /// </summary>
    /// <returns>Null: it is a link to a template.</returns>
    /// <exception cref="IOException">Something in the folder is none of the template's.</exception>
    private static string[]? FilesToRemove(string path, HeldFolder? folder, Errno error)
    {
        GuestTemplate template;
        try
        {
            template = TemplateSource.ReadDescription(path);
        }
        catch (GuestException) when (folder is not null && TemplateLeftovers.IsDamagedTemplate(folder))
        {
            return [.. folder.Entries().Select(entry => entry.Name)];
        }

        if (folder is null)
        {
            return new DirectoryInfo(path).LinkTarget is not null
                ? null
                : throw new IOException(Marshal.GetPInvokeErrorMessage((int)error), (int)error);
        }

        string[] own =
        [
            TemplateSource.ManifestFile,
            TemplateSource.StateFileName,
            .. TemplatePart.Of(template).Where(part => part.InTemplate).Select(part => Path.GetFileName(part.File)),
        ];
        return folder.Entries().Select(entry => entry.Name).Except(own).FirstOrDefault() is { } other
            ? throw new IOException($"'{other}' is in the folder and is none of the template's files, so all of it stays")
            : own;
    }

    /// <summary>Folders that may be templates in a folder, by name.</summary>
    /// <exception cref="GuestException">The folder cannot be read.</exception>
    internal static IEnumerable<string> Folders(string folder)
    {
        try
        {
            // Names that begin with a dot are templates being written.
            return Directory.GetDirectories(folder).Where(path => !Path.GetFileName(path).StartsWith('.')).Order(StringComparer.Ordinal);
        }
        catch (IOException) when (!Directory.Exists(folder))
        {
            throw TemplateErrors.WithoutFolder(Path.GetFullPath(folder));
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw TemplateErrors.Unreadable(Path.GetFullPath(folder), failure);
        }
    }

    /// <summary>Maps the RAM and brings a board to the state.</summary>
    private static void TryStart(TemplateSource source, bool verify, IReadOnlyList<string> searchPath, CancellationToken cancellation)
    {
        GuestOptions options = new()
        {
            Name = "test",
            Template = source.Template.Path,
            MachineType = MachineTypes.Resolve(source.Template.MachineType),
            Verify = verify,
            SearchPath = searchPath,
        };
        using MemoryBackends backends = new(_ => null);
        using GuestRam ram = TemplateRam.Map(backends, options, source, cancellation);
        source.DiskLayers.Check(verify, cancellation);
        TryRestore(source, ram.Memory);
    }

    /// <summary>The names of the ports that a template's guest had, that of the agent's not among them.</summary>
    internal static IReadOnlyList<string> PortsOf(TemplateSource source) => TryRestore(source, new GuestMemory([]));

    private static IReadOnlyList<string> TryRestore(TemplateSource source, GuestMemory memory)
    {
        MachineState.Identity machine = source.State.ReadIdentity();
        using CodeCache code = new(TranslatorOptions.Off);
        GuestConsole console = new();
        Func<GuestBoard, ISupervisorEnvironment>? environment = machine.Firmware ? null : Sbi.For(memory, console, Ignore);
        MachineType type = MachineType.Get(source.Template.MachineType);
        using GuestBoard board = new(type, memory, machine.Harts, environment, code, console, Ignore, SlotPlan.Show(source.Template));
        source.State.Restore(board, source.Template.Devices);
        return [.. (board.Ports?.All ?? []).Select(port => port.Name).Where(name => name != ConsolePorts.Agent)];

        static void Ignore(PowerRequest request, uint code)
        {
        }
    }
}
