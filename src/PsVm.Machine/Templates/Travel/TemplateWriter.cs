using Microsoft.Win32.SafeHandles;
using PsVm.Memory;
using PsVm.Memory.Copying;

namespace PsVm.Machine.Templates.Travel;

/// <summary>Writes what of a template is not RAM into a folder, and records whose content its RAM files have.</summary>
/// <param name="folder">The folder.</param>
/// <param name="target">Where it will be.</param>
internal sealed class TemplateWriter(TemplateFolder folder, string target)
{
    /// <summary>Where it will be.</summary>
    public string Target => target;

    /// <summary>Writes the machine state.</summary>
    public void WriteState(ReadOnlySpan<byte> state) => RandomAccess.Write(folder.CreateFile(TemplateSource.StateFileName), state, 0);

    /// <summary>Writes the description, when all RAM is written.</summary>
    /// <param name="template">The template as it was elsewhere; it keeps its id, since it says the same.</param>
    /// <param name="files">The RAM files here, each with a block and nothing else, in the order of the blocks.</param>
    /// <param name="keepsDigests">Whether a block's digests are those of its file here, too.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <returns>The template as it is here.</returns>
    public GuestTemplate Finish(
        GuestTemplate template, IReadOnlyList<SafeFileHandle> files, Func<TemplateRamBlock, bool> keepsDigests, CancellationToken cancellation)
    {
        folder.Seal();
        List<TemplateRamBlock> blocks = [];
        foreach (TemplateRamBlock block in template.RamBlocks)
        {
            SafeFileHandle file = files[blocks.Count];
            bool isKept = keepsDigests(block);
            string name = Path.Combine(target, OpenedTemplate.RamName(blocks.Count));
            blocks.Add(block with
            {
                File = name,
                InTemplate = true,
                Offset = 0,
                Digest = isKept && block.Digest is not null ? block.Digest : RamDigest.Of(file, cancellation),
                Sha256 = isKept || block.Sha256 is null ? block.Sha256 : TemplateFile.Sha256(file, hashed: null, cancellation),
                Identity = MemoryBackends.Identify(file) ?? throw new IOException($"'{name}' cannot be looked at"),
            });
        }

        GuestTemplate written = template with { Path = target, FormatVersion = (int)TemplateManifest.VersionFor(template.Slots.Count), RamBlocks = blocks };
        RandomAccess.Write(folder.CreateFile(TemplateSource.ManifestFile), TemplateManifest.From(written).ToJson(), 0);
        folder.Seal();
        return written;
    }

    /// <summary>Reads the RAM files, which must have their digests.</summary>
    /// <exception cref="GuestException">One has not.</exception>
    public static void Verify(GuestTemplate written, IReadOnlyList<SafeFileHandle> files, CancellationToken cancellation)
    {
        for (int i = 0; i < files.Count; i++)
        {
            RamFileCheck.CheckContent(written.RamBlocks[i], written.RamBlocks[i].File, files[i], verify: true, cancellation);
        }
    }
}
