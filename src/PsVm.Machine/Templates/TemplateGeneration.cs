using PsVm.Memory;

namespace PsVm.Machine.Templates;

/// <summary>
/// Which one of the templates that a path had one after the other is there: checkpoints with Force replace the whole folder.
/// </summary>
/// <param name="Device">Device of the folder; all are 0 when there is none.</param>
/// <param name="Inode">Its inode.</param>
/// <param name="ChangedNanoseconds">Time of its last change of status, which its rename is: an inode's number is used again.</param>
internal readonly record struct TemplateGeneration(ulong Device, ulong Inode, long ChangedNanoseconds)
{
    // Each attempt fails only when another checkpoint replaced the template within it.
    private const int MostAttempts = 16;

    /// <summary>Does what reads several files of a template, again when that fails and the template was replaced meanwhile.</summary>
    /// <param name="path">The template's folder.</param>
    /// <param name="read">What reads it; each time it opens all files anew.</param>
    /// <param name="first">Which one was there before the first time; null: it is looked up.</param>
    public static T Settled<T>(string path, Func<T> read, TemplateGeneration? first = null) => Settled(path, read, _ => true, first);

    /// <summary>As the other, of what may fail without an exception.</summary>
    /// <param name="path">The template's folder.</param>
    /// <param name="read">What reads it.</param>
    /// <param name="succeeded">Whether what it gave is good.</param>
    /// <param name="first">Which one was there before the first time; null: it is looked up.</param>
    public static T Settled<T>(string path, Func<T> read, Func<T, bool> succeeded, TemplateGeneration? first = null)
    {
        string folder = TemplateSource.FullPath(path);
        for (int attempt = 1; ; attempt++)
        {
            TemplateGeneration before = attempt == 1 && first is { } known ? known : Of(folder);
            try
            {
                T result = read();
                if (succeeded(result) || !IsWorthAnother())
                {
                    return result;
                }
            }
            catch (PsVmException) when (IsWorthAnother())
            {
                // Files of two templates do not belong together; those of the new one do.
            }

            bool IsWorthAnother() => attempt < MostAttempts && Of(folder) != before;
        }
    }

    /// <summary>The template that is at a path now.</summary>
    public static TemplateGeneration At(string path) => Of(TemplateSource.FullPath(path));

    /// <summary>Another template is at the path than when this was looked up.</summary>
    public bool IsReplaced(string path) => At(path) != this;

    private static TemplateGeneration Of(string folder) => MemoryBackends.IdentifyAny(folder) is { } found
        ? new(found.Device, found.Inode, found.ChangedNanoseconds)
        : default;
}
