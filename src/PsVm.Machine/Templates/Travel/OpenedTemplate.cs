using Microsoft.Win32.SafeHandles;
using Mono.Unix.Native;
using PsVm.Memory;

namespace PsVm.Machine.Templates.Travel;

/// <summary>A template of which all files are open, so that what is copied belongs together whatever happens to its path.</summary>
internal sealed class OpenedTemplate : IDisposable
{
    private readonly List<SafeFileHandle> _files = [];
    private readonly List<FileIdentity> _identities = [];

    private OpenedTemplate(string folder)
    {
        Template = TemplateSource.Open(folder).Template;
        State = TemplateFile.ReadAll(Path.Combine(folder, TemplateSource.StateFileName), TemplateSource.MostStateBytes);
        Mode = TemplateFolder.Readable;
        try
        {
            Parts = TemplatePart.Of(Template);
            foreach (TemplatePart part in Parts)
            {
                SafeFileHandle file = RamFileCheck.Open(part, part.File);
                _files.Add(file);
                _identities.Add(MemoryBackends.Identify(file)!.Value);
                Mode &= TemplateFile.ModeOf(file);
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Its description.</summary>
    public GuestTemplate Template { get; }

    /// <summary>Its machine state's file.</summary>
    public byte[] State { get; }

    /// <summary>What is recorded of its large files.</summary>
    public IReadOnlyList<TemplatePart> Parts { get; }

    /// <summary>Its large files, in the same order.</summary>
    public IReadOnlyList<SafeFileHandle> Files => _files;

    /// <summary>Who may read all of them: nobody else may read what is made of it.</summary>
    public FilePermissions Mode { get; }

    /// <summary>Opens a template that guests of this version can start from.</summary>
    /// <param name="path">Its folder.</param>
    /// <exception cref="GuestException">It is not there, not whole, altered, or of another kind of machine.</exception>
    public static OpenedTemplate Open(string path)
    {
        string folder = TemplateSource.FullPath(path);
        return TemplateGeneration.Settled(folder, () => new OpenedTemplate(folder));
    }

    /// <summary>Sees to it that the large files have the content that was recorded.</summary>
    /// <param name="verify">They are read even when they are known.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="GuestException">One has not.</exception>
    public void CheckContent(bool verify, CancellationToken cancellation)
    {
        for (int i = 0; i < _files.Count; i++)
        {
            TemplatePart part = Parts[i];
            bool hasDigest = part.Digest is not null || part.Sha256 is not null;
            RamFileCheck.CheckContent(part, part.File, _files[i], verify && hasDigest, cancellation);
        }
    }

    /// <summary>Sees to it that nobody wrote to a large file while it was read.</summary>
    /// <exception cref="GuestException">Somebody did.</exception>
    public void CheckUnchanged()
    {
        for (int i = 0; i < _files.Count; i++)
        {
            FileIdentity then = _identities[i];
            if (MemoryBackends.Identify(_files[i]) is not { } now || now.Size != then.Size
                || now.ModifiedNanoseconds != then.ModifiedNanoseconds)
            {
                string file = Parts[i].File;
                throw new GuestException(
                    Parts[i].ChangedId,
                    $"Expected nobody to write to the {Parts[i].What} '{file}' while it was read, found that somebody did.",
                    file, "Take it from a backup, or make the template again.");
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _files.ForEach(file => file.Dispose());
}
