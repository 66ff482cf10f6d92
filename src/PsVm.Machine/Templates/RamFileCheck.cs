using Microsoft.Win32.SafeHandles;
using PsVm.Memory;

namespace PsVm.Machine.Templates;

/// <summary>Compares RAM files with what a template recorded of them.</summary>
internal static class RamFileCheck
{
    /// <summary>Looks at the RAM file of a block, as a start does before it maps it.</summary>
    /// <param name="block">What was recorded.</param>
    /// <param name="file">The file: the block's, or another that is said to have its content.</param>
    /// <param name="byContent">Its content is to count, so that it may be another file of the same size.</param>
    /// <returns>The open file.</returns>
    /// <exception cref="GuestException">It is not there, no regular file, or not what was recorded; the error says in what.</exception>
    public static SafeFileHandle Open(TemplateRamBlock block, string file, bool byContent)
    {
        SafeFileHandle? opened = null;
        try
        {
            // A template has no links among its files. RAM that was taken over, or that the operator names, is where it is.
            opened = TemplateFile.Open(file, follow: file != block.File || !block.InTemplate);
            Check(block, file, MemoryBackends.Identify(opened), byContent);
            return opened;
        }
        catch (Exception failure) when (failure is not GuestException)
        {
            opened?.Dispose();
            throw failure switch
            {
                FileNotFoundException => new GuestException(
                    GuestErrorIds.TemplateIncomplete, $"Expected the RAM file '{file}', found none.", file,
                    "Take it from a backup, or make the template again.", failure),
                UnauthorizedAccessException => TemplateErrors.Unreadable(file, failure),
                _ => new GuestException(
                    GuestErrorIds.TemplateRamChanged, $"Expected the RAM file '{file}' to be a regular file, found: {failure.Message}.", file,
                    "Take it from a backup, or make the template again.", failure),
            };
        }
        catch
        {
            opened?.Dispose();
            throw;
        }
    }

    /// <summary>Compares a RAM file with what was recorded of it.</summary>
    /// <param name="block">What was recorded.</param>
    /// <param name="file">The file.</param>
    /// <param name="found">What is there; null: nothing.</param>
    /// <param name="byContent">Its content is to count, so that only its size is compared.</param>
    /// <exception cref="GuestException">They differ; the error says in what.</exception>
    public static void Check(TemplateRamBlock block, string file, FileIdentity? found, bool byContent = false)
    {
        if (found is not FileIdentity now)
        {
            throw new GuestException(
                GuestErrorIds.TemplateIncomplete, $"Expected the RAM file '{file}', found none.", file,
                "Take it from a backup, or make the template again.");
        }

        FileIdentity then = block.Identity;
        List<string> differences = [];
        AddIfDifferent("size in bytes", then.Size, now.Size);
        if (!byContent)
        {
            AddIfDifferent("inode", (long)then.Inode, (long)now.Inode);
            AddIfDifferent("time of change in nanoseconds since 1970", then.ModifiedNanoseconds, now.ModifiedNanoseconds);
        }

        if (differences.Count > 0)
        {
            throw new GuestException(
                GuestErrorIds.TemplateRamChanged,
                $"Expected the RAM file '{file}' as it was when the template was made, found another {string.Join(", ", differences)}.",
                file,
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

    /// <summary>Compares the content of an open RAM file with the recorded SHA-256.</summary>
    /// <param name="block">What was recorded.</param>
    /// <param name="file">The file's path, for errors.</param>
    /// <param name="opened">The file.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="GuestException">It differs, there is none recorded, or the file cannot be read.</exception>
    public static void CheckDigest(TemplateRamBlock block, string file, SafeFileHandle opened, CancellationToken cancellation)
    {
        if (block.Sha256 is null)
        {
            throw new GuestException(
                GuestErrorIds.TemplateDigestMissing,
                $"Expected a SHA-256 of '{block.File}' to verify '{file}' with, found that none was recorded.",
                file,
                "Make the template with a digest, or start without Verify.");
        }

        string found;
        try
        {
            found = TemplateFile.Digest(opened, cancellation);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw TemplateErrors.Unreadable(file, failure);
        }

        if (found != block.Sha256)
        {
            throw new GuestException(
                GuestErrorIds.TemplateDigestMismatch,
                $"Expected content with the SHA-256 {block.Sha256} in '{file}', found {found}.",
                file,
                "Take the file from a backup, or make the template again.");
        }
    }

    /// <summary>What a start finds out about the RAM file of a block.</summary>
    /// <exception cref="GuestException">It is not what was recorded.</exception>
    public static void Check(TemplateRamBlock block, bool verify, CancellationToken cancellation)
    {
        using SafeFileHandle opened = Open(block, block.File, verify);
        if (verify)
        {
            CheckDigest(block, block.File, opened, cancellation);
        }
    }
}
