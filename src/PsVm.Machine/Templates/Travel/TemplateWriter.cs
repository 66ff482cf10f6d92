using Microsoft.Win32.SafeHandles;
using PsVm.Memory;
using PsVm.Memory.Copying;

namespace PsVm.Machine.Templates.Travel;

/// <summary>Writes what of a template is in small files into a folder, and records whose content its large files have.</summary>
/// <param name="folder">The folder.</param>
/// <param name="target">Where it will be.</param>
internal sealed class TemplateWriter(TemplateFolder folder, string target)
{
    /// <summary>Where it will be.</summary>
    public string Target => target;

    /// <summary>Writes the machine state.</summary>
    public void WriteState(ReadOnlySpan<byte> state) => RandomAccess.Write(folder.CreateFile(TemplateSource.StateFileName), state, 0);

    /// <summary>Writes the description, when all large files are written.</summary>
    /// <param name="template">The template as it was elsewhere; it keeps its id, since it says the same.</param>
    /// <param name="files">The large files here, each with a part and nothing else, in the order of the parts.</param>
    /// <param name="keepsDigests">Whether a part's digests are those of its file here, too.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <returns>The template as it is here.</returns>
    public GuestTemplate Finish(
        GuestTemplate template, IReadOnlyList<SafeFileHandle> files, Func<TemplatePart, bool> keepsDigests, CancellationToken cancellation)
    {
        folder.Seal();
        List<TemplatePart> parts = [];
        foreach (TemplatePart part in TemplatePart.Of(template))
        {
            SafeFileHandle file = files[parts.Count];
            bool isKept = keepsDigests(part);
            string name = Path.Combine(target, part.Name);
            parts.Add(part with
            {
                File = name,
                InTemplate = true,
                Offset = 0,
                Digest = isKept && part.Digest is not null ? part.Digest : RamDigest.Of(file, cancellation),
                Sha256 = isKept || part.Sha256 is null ? part.Sha256 : TemplateFile.Sha256(file, hashed: null, cancellation),
                Identity = MemoryBackends.Identify(file) ?? throw new IOException($"'{name}' cannot be looked at"),
            });
        }

        GuestTemplate written =
            TemplatePart.Put(template, parts) with { Path = target, FormatVersion = (int)TemplateManifest.VersionFor(template) };
        RandomAccess.Write(folder.CreateFile(TemplateSource.ManifestFile), TemplateManifest.From(written).ToJson(), 0);
        folder.Seal();
        return written;
    }

    /// <summary>Reads the large files, which must have their digests.</summary>
    /// <exception cref="GuestException">One has not.</exception>
    public static void Verify(GuestTemplate written, IReadOnlyList<SafeFileHandle> files, CancellationToken cancellation)
    {
        foreach ((TemplatePart part, SafeFileHandle file) in TemplatePart.Of(written).Zip(files))
        {
            RamFileCheck.CheckContent(part, part.File, file, verify: true, cancellation);
        }
    }
}
