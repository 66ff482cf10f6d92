using System.Collections.Concurrent;

namespace PsVm.Machine.Templates;

/// <summary>
/// Files that this process, or an earlier one of this user, has read and found to have the content of a digest. A file that changes has
/// another time of change of status, which nobody can set, and is read again.
/// </summary>
internal static class VerifiedFiles
{
    // Far more than templates in use have; a bound keeps a long-lived process from collecting them.
    private const int MaxKept = 4096;

    // The kernel's stamps are as coarse as its tick, of at most 10 ms: what is written within one keeps the time.
    private static readonly TimeSpan s_tick = TimeSpan.FromMilliseconds(20);

    // How often each was read by this process.
    private static readonly ConcurrentDictionary<(FileIdentity File, string Digest), int> s_verified = new();

    /// <summary>Whether a file was found to have it.</summary>
    public static bool Contains(FileIdentity file, string digest)
    {
        if (s_verified.ContainsKey((file, digest)))
        {
            return true;
        }

        if (VerifiedCache.Of(Environment.GetEnvironmentVariable)?.Contains(file, digest) != true)
        {
            return false;
        }

        Note(file, digest, 0);
        return true;
    }

    /// <summary>Notes that it has.</summary>
    /// <param name="file">The file, which was <see cref="Settle"/>d before it was read.</param>
    /// <param name="digest">The digest.</param>
    /// <param name="path">A path at which it may be, by which its file system is told.</param>
    public static void Add(FileIdentity file, string digest, string path)
    {
        if (Age(file) < TimeSpan.Zero)
        {
            return; // by a clock that was set back since: what is written now may get a time that it had
        }

        // Known to this process, it was found or written there before.
        bool isNew = !s_verified.ContainsKey((file, digest));
        Note(file, digest, 1);
        if (isNew && VerifiedCache.Remembers(path))
        {
            VerifiedCache.Of(Environment.GetEnvironmentVariable)?.Add(file, digest);
        }
    }

    /// <summary>Whether a change of a file that comes now would show in its times.</summary>
    /// <param name="file">The file, as it is now.</param>
    /// <param name="wait">Waits until it would, for a moment at most.</param>
    public static bool Settle(FileIdentity file, bool wait)
    {
        TimeSpan age = Age(file);
        bool isYoung = age >= TimeSpan.Zero && age < s_tick;
        if (isYoung && wait)
        {
            Thread.Sleep(s_tick - age);
        }

        return wait || !isYoung;
    }

    /// <summary>How often this process read a file and found it to have it.</summary>
    public static int TimesRead(FileIdentity file, string digest) => s_verified.GetValueOrDefault((file, digest));

    private static TimeSpan Age(FileIdentity file) =>
        DateTime.UtcNow - DateTime.UnixEpoch.AddTicks(file.ChangedNanoseconds / TimeSpan.NanosecondsPerTick);

    private static void Note(FileIdentity file, string digest, int times)
    {
        if (s_verified.Count >= MaxKept)
        {
            s_verified.Clear();
        }

        s_verified.AddOrUpdate((file, digest), times, (_, before) => before + times);
    }
}
