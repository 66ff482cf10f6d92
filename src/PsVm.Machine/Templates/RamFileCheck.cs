using Microsoft.Win32.SafeHandles;
using PsVm.Memory;
using PsVm.Memory.Copying;

namespace PsVm.Machine.Templates;

/// <summary>Compares the large files of templates, those of RAM and of disks, with what was recorded of them.</summary>
internal static class RamFileCheck
{
    /// <summary>Looks at the file of a part of a template, as a start does before it maps it.</summary>
    /// <param name="part">What was recorded.</param>
    /// <param name="file">The file: the part's, or another that is said to have its content.</param>
    /// <returns>The open file. Whether it <see cref="IsKnown"/> or must be read is not looked at yet.</returns>
    /// <exception cref="GuestException">
    /// It is not there, no regular file, or cannot be what was recorded; the error says in what.
    /// </exception>
    public static SafeFileHandle Open(TemplatePart part, string file)
    {
        SafeFileHandle? opened = null;
        try
        {
            opened = TemplateFile.Open(file, MayBeLink(part, file));
            CheckFace(part, file, MemoryBackends.Identify(opened));
            return opened;
        }
        catch (Exception failure) when (failure is not GuestException)
        {
            opened?.Dispose();
            throw failure switch
            {
                FileNotFoundException => Missing(part, file, failure),
                UnauthorizedAccessException => TemplateErrors.Unreadable(file, failure),
                _ => new GuestException(
                    part.ChangedId, $"Expected the {part.What} '{file}' to be a regular file, found: {failure.Message}.", file,
                    "Take it from a backup, or make the template again.", failure),
            };
        }
        catch
        {
            opened?.Dispose();
            throw;
        }
    }

    /// <summary>Whether a file looks, by its name, as one that <see cref="Open"/> would open and nothing is wrong with.</summary>
    public static bool LooksRight(TemplatePart part, string file) =>
        MemoryBackends.Identify(file, MayBeLink(part, file)) is { } found && found.Size == part.Identity.Size;

    /// <summary>
    /// Sees to it that an open file has the content that was recorded: it is the file that was made, or one that was found to have it
    /// before and has not changed since; any other is read.
    /// </summary>
    /// <param name="part">What was recorded.</param>
    /// <param name="file">The file's path, for errors.</param>
    /// <param name="opened">The file.</param>
    /// <param name="verify">It is read in any case.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="GuestException">It has other content; the error says in what it differs.</exception>
    public static void CheckContent(TemplatePart part, string file, SafeFileHandle opened, bool verify, CancellationToken cancellation)
    {
        FileIdentity? before = MemoryBackends.Identify(opened);
        CheckFace(part, file, before);
        FileIdentity now = before!.Value;
        if (!verify && IsKnown(part, now))
        {
            return;
        }

        if (verify || DigestOf(part) is not null)
        {
            // Who wants it read each time does not wait so that the next time it need not be.
            bool isSettled = VerifiedFiles.Settle(now, wait: !verify);
            try
            {
                CheckDigest(part, file, opened, cancellation);
            }
            catch (GuestException altered) when (!verify && altered.ErrorId == GuestErrorIds.TemplateDigestMismatch)
            {
                throw Changed(part, file, now, altered);
            }

            // What changed while it was read may be something else by now, and is read again the next time.
            if (isSettled && MemoryBackends.Identify(opened) == now)
            {
                VerifiedFiles.Add(now, DigestOf(part)!, file);
            }

            return;
        }

        throw Changed(part, file, now, null);
    }

    /// <summary>
    /// Whether a file need not be read: it is the one that was made, untouched since, or one that was read before, untouched since.
    /// </summary>
    public static bool IsKnown(TemplatePart part, FileIdentity file)
    {
        FileIdentity made = part.Identity;
        bool isMade = file.Inode == made.Inode && file.Size == made.Size && file.ModifiedNanoseconds == made.ModifiedNanoseconds
            && (made.ChangedNanoseconds == 0 || file.ChangedNanoseconds == made.ChangedNanoseconds);
        return isMade || (DigestOf(part) is { } digest && VerifiedFiles.Contains(file, digest));
    }

    /// <summary>Opens the file of a part, and sees to it that it has the content that was recorded.</summary>
    /// <exception cref="GuestException">It is not what was recorded.</exception>
    public static SafeFileHandle OpenChecked(TemplatePart part, bool verify, CancellationToken cancellation)
    {
        SafeFileHandle opened = Open(part, part.File);
        try
        {
            CheckContent(part, part.File, opened, verify, cancellation);
            return opened;
        }
        catch
        {
            opened.Dispose();
            throw;
        }
    }

    /// <summary>What a start finds out about the file of a part.</summary>
    /// <exception cref="GuestException">It is not what was recorded.</exception>
    public static void Check(TemplatePart part, bool verify, CancellationToken cancellation) =>
        OpenChecked(part, verify, cancellation).Dispose();

    /// <summary>Compares what can be seen of a file without reading it, where any copy must be alike.</summary>
    private static void CheckFace(TemplatePart part, string file, FileIdentity? found)
    {
        FileIdentity now = found ?? throw Missing(part, file, null);
        if (now.Size != part.Identity.Size)
        {
            throw Changed(part, file, now, null);
        }
    }

    /// <summary>A template has no links among its files. RAM that was taken over, or that the operator names, is where it is.</summary>
    private static bool MayBeLink(TemplatePart part, string file) => file != part.File || !part.InTemplate;

    private static string? DigestOf(TemplatePart part) => part.Digest ?? part.Sha256;

    /// <summary>Compares the content of an open file with the recorded digest.</summary>
    private static void CheckDigest(TemplatePart part, string file, SafeFileHandle opened, CancellationToken cancellation)
    {
        if (DigestOf(part) is not { } expected)
        {
            throw new GuestException(
                GuestErrorIds.TemplateDigestMissing,
                $"Expected a SHA-256 of '{part.File}' to verify '{file}' with, found that none was recorded.",
                file,
                "Make the template again, or start without Verify.");
        }

        string found;
        try
        {
            found = part.Digest is null ? TemplateFile.Sha256(opened, hashed: null, cancellation) : RamDigest.Of(opened, cancellation);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw TemplateErrors.Unreadable(file, failure);
        }

        if (found != expected)
        {
            throw new GuestException(
                GuestErrorIds.TemplateDigestMismatch,
                $"Expected content with the SHA-256 {expected} in '{file}', found {found}.",
                file,
                "Take the file from a backup, or make the template again.");
        }
    }

    private static GuestException Missing(TemplatePart part, string file, Exception? cause) => new(
        GuestErrorIds.TemplateIncomplete, $"Expected the {part.What} '{file}', found none.", file,
        "Take it from a backup, or make the template again.", cause);

    private static GuestException Changed(TemplatePart part, string file, FileIdentity now, GuestException? altered)
    {
        FileIdentity then = part.Identity;
        List<string> differences = [];
        AddIfDifferent("size in bytes", then.Size, now.Size);
        if (then.Size == now.Size)
        {
            AddIfDifferent("inode", (long)then.Inode, (long)now.Inode);
            AddIfDifferent("time of change in nanoseconds since 1970", then.ModifiedNanoseconds, now.ModifiedNanoseconds);
            if (then.ChangedNanoseconds != 0)
            {
                AddIfDifferent("time of change of status", then.ChangedNanoseconds, now.ChangedNanoseconds);
            }
        }

        string content = altered is null ? string.Empty : $", and other content: {altered.Message}";
        return new GuestException(
            part.ChangedId,
            $"Expected the {part.What} '{file}' as it was when the template was made, found another "
                + $"{string.Join(", ", differences)}{content}".TrimEnd('.') + ".",
            file,
            altered is null && DigestOf(part) is null && then.Size == now.Size
                ? "Its template has no digest by which a copy could be told: make the template again."
                : "Take the file from a backup, or make the template again.",
            altered);

        void AddIfDifferent(string what, long expected, long actual)
        {
            if (expected != actual)
            {
                differences.Add($"{what} ({expected} then, {actual} now)");
            }
        }
    }
}
