using System.Diagnostics;

namespace PsVm.Machine.Devices.Disks;

/// <summary>
/// The threads that do the requests of a disk or a shared folder: as many as there are requests, up to a bound. They are its own, so that a
/// disk of the host that does not answer holds nobody else up; one that had nothing to do for a while goes. Safe from any thread.
/// </summary>
/// <param name="name">What they are called.</param>
internal sealed class DiskThreads(string name = "PsVm disk")
{
    /// <summary>The most threads of a disk or a folder.</summary>
    public const int Most = 4;

    private const int StackBytes = 256 << 10;
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(2);

    private readonly object _gate = new();
    private readonly Queue<IThreadPoolWorkItem> _work = new();
    private int _threads;
    private int _waiting;

    /// <summary>Does something on one of the threads, in its turn.</summary>
    /// <param name="work">What is to be done; it throws nothing.</param>
    public void Do(IThreadPoolWorkItem work)
    {
        bool isNew;
        lock (_gate)
        {
            _work.Enqueue(work);
            isNew = _work.Count > _waiting && _threads < Most;
            _threads += isNew ? 1 : 0;
            if (!isNew)
            {
                Monitor.Pulse(_gate);
            }
        }

        if (isNew)
        {
            new Thread(Run, StackBytes) { IsBackground = true, Name = name }.Start();
        }
    }

    private void Run()
    {
        while (Next() is { } work)
        {
            work.Execute();
        }
    }

    /// <summary>What is to be done next; null: there was nothing for a while, and the thread is to end.</summary>
    private IThreadPoolWorkItem? Next()
    {
        lock (_gate)
        {
            while (_work.Count == 0)
            {
                _waiting++;
                bool isWoken = Monitor.Wait(_gate, s_patience);
                _waiting--;
                if (!isWoken && _work.Count == 0)
                {
                    _threads--;
                    Debug.Assert(_threads >= 0, "each thread ends once");
                    return null;
                }
            }

            return _work.Dequeue();
        }
    }
}
