using Microsoft.Win32.SafeHandles;
using Mono.Unix.Native;
using PsVm.Memory;

namespace PsVm.Machine.Templates.Travel;

/// <summary>A template of which all files are open, so that what is copied belongs together whatever happens to its path.</summary>
internal sealed class OpenedTemplate : IDisposable
{
    private readonly List<SafeFileHandle> _ram = [];
    private readonly List<FileIdentity> _identities = [];

    private OpenedTemplate(string folder)
    {
        Template = TemplateSource.Open(folder).Template;
        State = TemplateFile.ReadAll(Path.Combine(folder, TemplateSource.StateFileName), TemplateSource.MostStateBytes);
        Mode = TemplateFolder.Readable;
        try
        {
            foreach (TemplateRamBlock block in Template.RamBlocks)
            {
                SafeFileHandle file = RamFileCheck.Open(block, block.File);
                _ram.Add(file);
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

    /// <summary>Its RAM files, in the order of its blocks.</summary>
    public IReadOnlyList<SafeFileHandle> Ram => _ram;

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

    /// <summary>The name of a block's file in any folder of ours.</summary>
    /// <param name="block">Number of the block.</param>
    public static string RamName(int block) => $"ram{block}.bin";

    /// <summary>Sees to it that the RAM files have the content that was recorded.</summary>
    /// <param name="verify">They are read even when they are known.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="GuestException">One has not.</exception>
    public void CheckContent(bool verify, CancellationToken cancellation)
    {
        for (int i = 0; i < _ram.Count; i++)
        {
            TemplateRamBlock block = Template.RamBlocks[i];
            bool hasDigest = block.Digest is not null || block.Sha256 is not null;
            RamFileCheck.CheckContent(block, block.File, _ram[i], verify && hasDigest, cancellation);
        }
    }

    /// <summary>Sees to it that nobody wrote to a RAM file while it was read.</summary>
    /// <exception cref="GuestException">Somebody did.</exception>
    public void CheckUnchanged()
    {
        for (int i = 0; i < _ram.Count; i++)
        {
            FileIdentity then = _identities[i];
            if (MemoryBackends.Identify(_ram[i]) is not { } now || now.Size != then.Size || now.ModifiedNanoseconds != then.ModifiedNanoseconds)
            {
                string file = Template.RamBlocks[i].File;
                throw new GuestException(
                    GuestErrorIds.TemplateRamChanged, $"Expected nobody to write to the RAM file '{file}' while it was read, found that somebody did.",
                    file, "Take it from a backup, or make the template again.");
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _ram.ForEach(file => file.Dispose());
}
