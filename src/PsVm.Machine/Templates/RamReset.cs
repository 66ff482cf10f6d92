using PsVm.Machine.Board;
using PsVm.Memory;

namespace PsVm.Machine.Templates;

/// <summary>Puts a clone's RAM back to its template.</summary>
/// <remarks>
/// What counts is what is mapped, whatever has the template's name now: a clone of a template that was removed or replaced since goes back
/// to the one that it began from.
/// </remarks>
internal static class RamReset
{
    /// <summary>Finds out whether it can be done.</summary>
    /// <param name="ram">The RAM.</param>
    /// <param name="guest">The clone's name.</param>
    /// <exception cref="GuestException">A file has been written to since the clone began.</exception>
    public static void Check(GuestRam ram, string guest)
    {
        foreach ((MappedFile then, MappedFile now) in ram.Files.Zip(ram.LookAtFiles()))
        {
            // Links and permissions may have changed: the template may be gone.
            if (then.Identity?.Size != now.Identity?.Size || then.Identity?.ModifiedNanoseconds != now.Identity?.ModifiedNanoseconds)
            {
                throw new GuestException(
                    GuestErrorIds.TemplateRamChanged,
                    $"Expected the RAM file '{then.Path}' as it was when guest '{guest}' began, found that it was written to "
                    + $"(time of change in nanoseconds since 1970: {then.Identity?.ModifiedNanoseconds} then, "
                    + $"{now.Identity?.ModifiedNanoseconds} now).",
                    then.Path,
                    "Make the template again, and start another clone.");
            }
        }
    }

    /// <summary>Lets the template's content show again, everywhere.</summary>
    /// <exception cref="MemoryBackendException">A page could not be had, or the kernel refused.</exception>
    public static void Show(GuestRam ram)
    {
        foreach (MemoryBackend backend in ram.Backends)
        {
            backend.ShowFile(CancellationToken.None);
        }
    }
}
