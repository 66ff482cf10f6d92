using System.Collections.Concurrent;
using PsVm.Benchmarks;

namespace PsVm.Machine.Tests.Templates.Lazy;

/// <summary>A template in a folder that is slow, stops answering, fails or lies, as a test wants it.</summary>
internal sealed class TestSource(string path) : FolderSource(path)
{
    private volatile bool _isWaiting;

    /// <summary>How long each read takes that begins at <see cref="DelayedFrom"/> or behind it.</summary>
    public TimeSpan Delay { get; set; }

    /// <summary>An offset.</summary>
    public long DelayedFrom { get; set; }

    /// <summary>Reads that are answered; the next ones are not before <see cref="Answers"/>.</summary>
    public int AnsweredReads { get; set; } = int.MaxValue;

    /// <summary>Set: it answers.</summary>
    public ManualResetEventSlim Answers { get; } = new();

    /// <summary>Called with block, offset and what was read, before it is given: to change it, or to fail.</summary>
    public Func<int, long, Memory<byte>, int?>? OnRead { get; set; }

    /// <summary>What was read: block, offset and length.</summary>
    public ConcurrentQueue<(int Block, long Offset, int Length)> Reads { get; } = [];

    /// <summary>A read is not answered.</summary>
    public bool IsWaiting => _isWaiting;

    /// <summary>It was closed.</summary>
    public bool IsDisposed { get; private set; }

    public override int Read(int block, long offset, Span<byte> into)
    {
        Thread.Sleep(offset >= DelayedFrom ? Delay : TimeSpan.Zero);
        if (Reads.Count >= AnsweredReads)
        {
            _isWaiting = true;
            Answers.Wait();
        }

        byte[] bytes = new byte[into.Length];
        int read = Folder.Read(block, offset, bytes);
        read = OnRead?.Invoke(block, offset, bytes.AsMemory(0, read)) ?? read;
        bytes.AsSpan(0, read).CopyTo(into);
        Reads.Enqueue((block, offset, read));
        return read;
    }

    public override void Dispose()
    {
        IsDisposed = true;
        base.Dispose();
    }
}
