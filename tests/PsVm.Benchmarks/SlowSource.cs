using System.Diagnostics;

namespace PsVm.Benchmarks;

/// <summary>A template in a folder that gives so many bytes a second, and so takes a moment for each read.</summary>
/// <param name="path">The folder.</param>
/// <param name="bytesPerSecond">Bytes a second.</param>
internal sealed class SlowSource(string path, double bytesPerSecond) : FolderSource(path)
{
    private long _due = Stopwatch.GetTimestamp();

    /// <inheritdoc/>
    public override int Read(int block, long offset, Span<byte> into)
    {
        int read = Folder.Read(block, offset, into);
        long now = Stopwatch.GetTimestamp();

        // What took longer for other reasons is not caught up with by more than a tick of the host's timer.
        _due = Math.Max(_due, now - (Stopwatch.Frequency / 1000)) + (long)(read * Stopwatch.Frequency / bytesPerSecond);
        if (_due > now)
        {
            Thread.Sleep(Stopwatch.GetElapsedTime(now, _due));
        }

        return read;
    }
}
