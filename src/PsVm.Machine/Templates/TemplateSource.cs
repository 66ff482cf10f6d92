using System.Collections.Concurrent;
using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;
using PsVm.Machine.Board;
using PsVm.Memory;

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

    private static readonly ConcurrentDictionary<string, TemplateSource> s_kept = new();

    private readonly FileIdentity? _manifest;
    private readonly FileIdentity? _state;

    private TemplateSource(string folder)
    {
        string statePath = Path.Combine(folder, StateFileName);
        (_manifest, _state) = Identify(folder);
        Template = ReadDescription(folder);
        State = MachineState.Read(statePath, ReadFile(statePath), Template.Id);
        Check(Template, State.ReadIdentity());
        Changes = Template.Differential ? State.ReadChanges([.. Template.RamBlocks.Select(block => block.Size)]) : null;
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
        return TemplateManifest.Read(manifest, ReadFile(manifest)).ToTemplate(folder);
    }

    /// <summary>A path as templates are known by: absolute, and without a separator at its end.</summary>
    public static string FullPath(string path) => Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));

    /// <summary>The template that a differential one needs.</summary>
    /// <exception cref="GuestException">It is gone, or another one.</exception>
    public GuestTemplate OpenParent()
    {
        TemplateParent expected = Template.Parent!;
        GuestTemplate parent;
        try
        {
            parent = ReadDescription(expected.Path);
        }
        catch (GuestException missing) when (missing.ErrorId is GuestErrorIds.TemplateNotFound or GuestErrorIds.TemplateIncomplete)
        {
            throw new GuestException(
                GuestErrorIds.TemplateParentNotFound,
                $"Expected the template that '{Template.Path}' was made on, {expected.Id}, at '{expected.Path}', found none.",
                Template.Path,
                "Put the parent back where it was.",
                missing);
        }

        bool fits = parent.Id == expected.Id && !parent.Differential
            && parent.RamBlocks.Select(block => block.Size).SequenceEqual(Template.RamBlocks.Select(block => block.Size));
        return fits ? parent : throw new GuestException(
            GuestErrorIds.TemplateParentChanged,
            $"Expected at '{expected.Path}' template {expected.Id}, which '{Template.Path}' was made on, found template {parent.Id}.",
            Template.Path,
            "Put the parent back where it was.");
    }

    /// <summary>Compares a RAM file with what was recorded of it.</summary>
    /// <param name="block">What was recorded.</param>
    /// <param name="found">What is there; null: nothing.</param>
    /// <exception cref="GuestException">They differ; the error says in what.</exception>
    public static void CheckIdentity(TemplateRamBlock block, FileIdentity? found)
    {
        if (found is not FileIdentity now)
        {
            throw new GuestException(
                GuestErrorIds.TemplateIncomplete, $"Expected the RAM file '{block.File}', found none.", block.File,
                "Take it from a backup, or make the template again.");
        }

        FileIdentity then = block.Identity;
        List<string> differences = [];
        AddIfDifferent("size in bytes", then.Size, now.Size);
        AddIfDifferent("inode", (long)then.Inode, (long)now.Inode);
        AddIfDifferent("time of change in nanoseconds since 1970", then.ModifiedNanoseconds, now.ModifiedNanoseconds);
        if (differences.Count > 0)
        {
            throw new GuestException(
                GuestErrorIds.TemplateRamChanged,
                $"Expected the RAM file '{block.File}' as it was when the template was made, found another {string.Join(", ", differences)}.",
                block.File,
                block.Sha256 is null || then.Size != now.Size
                    ? "Make the template again."
                    : "If the file was only copied or touched, start with Verify, which compares its content.");
        }

        void AddIfDifferent(string what, long expected, long actual)
        {
            if (expected != actual)
            {
                differences.Add($"{what} ({expected} then, {actual} now)");
            }
        }
    }

    /// <summary>Compares the content of a RAM file with the recorded SHA-256.</summary>
    /// <param name="block">What was recorded.</param>
    /// <param name="file">The file.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="GuestException">It differs, there is none recorded, or the file cannot be read.</exception>
    public static void CheckDigest(TemplateRamBlock block, string file, CancellationToken cancellation)
    {
        if (block.Sha256 is null)
        {
            throw new GuestException(
                GuestErrorIds.TemplateDigestMissing,
                $"Expected a SHA-256 of '{block.File}' to verify '{file}' with, found that none was recorded.",
                file,
                "Make the template with a digest, or start without Verify.");
        }

        string found = Digest(file, cancellation);
        if (found != block.Sha256)
        {
            throw new GuestException(
                GuestErrorIds.TemplateDigestMismatch,
                $"Expected content with the SHA-256 {block.Sha256} in '{file}', found {found}.",
                file,
                "Take the file from a backup, or make the template again.");
        }
    }

    /// <summary>The SHA-256 of a file, lower-case hexadecimal.</summary>
    public static string Digest(string file, CancellationToken cancellation)
    {
        try
        {
            using SafeFileHandle handle = File.OpenHandle(file, options: FileOptions.SequentialScan);
            using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            byte[] buffer = new byte[1 << 20];
            for (long position = 0; RandomAccess.Read(handle, buffer, position) is var read and > 0; position += read)
            {
                cancellation.ThrowIfCancellationRequested();
                hash.AppendData(buffer, 0, read);
            }

            return Convert.ToHexStringLower(hash.GetHashAndReset());
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw TemplateErrors.Unreadable(file, failure);
        }
    }

    /// <summary>A template that this version's board can continue.</summary>
    private static void Check(GuestTemplate template, MachineState.Identity machine)
    {
        TemplateNeeds.Check(template, template.MachineType);
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

    private static byte[] ReadFile(string path)
    {
        try
        {
            return File.ReadAllBytes(path);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw TemplateErrors.Unreadable(path, failure);
        }
    }
}
