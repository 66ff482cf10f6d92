using Mono.Unix.Native;
using PsVm.Memory.Native;

namespace PsVm.Memory.Mapping;

/// <summary>Faults every page of a mapping in, on several threads, and learns of a failure as an error and not as a signal.</summary>
/// <param name="decision">What to fault in, and how.</param>
/// <param name="mapping">What was mapped by it.</param>
/// <param name="advise">madvise(2) on a range of the mapping; a test may stand in for an older kernel.</param>
internal sealed class Preallocator(BackendDecision decision, RamMapping mapping, Func<long, long, int, Errno> advise)
{
    private const long ChunkSize = 32L << 20;

    /// <summary>Faults the mapping in.</summary>
    /// <param name="progress">Told of each chunk; null: no one asks. Called on any thread, by one at a time.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <returns>The first error and the offset of the chunk it came from; 0 when every page is there.</returns>
    /// <exception cref="OperationCanceledException">Cancelled; some pages are there.</exception>
    public (Errno Error, long Offset) Run(IProgress<StepProgress>? progress, CancellationToken cancellation)
    {
        var threads = decision.Options.PreallocThreads;
        var chunkSize = Math.Max(ChunkSize, decision.PageSize);
        var chunks = (mapping.Size + chunkSize - 1) / chunkSize;
        var failure = (Error: (Errno)0, Offset: 0L);
        var done = 0L;
        var gate = new Lock();
        var options = new ParallelOptions
        {
            MaxDegreeOfParallelism = threads == 0 ? Environment.ProcessorCount : threads,
            CancellationToken = cancellation,
        };
        Parallel.For(0L, chunks, options, (chunk, loop) =>
        {
            var offset = chunk * chunkSize;
            var length = Math.Min(chunkSize, mapping.Size - offset);
            var error = Populate(offset, length);
            lock (gate)
            {
                if (error == 0)
                {
                    progress?.Report(new StepProgress(HostStep.Preallocating, done += length, mapping.Size));
                    return;
                }

                failure = failure.Error == 0 ? (error, offset) : failure;
            }

            loop.Stop();
        });
        return failure;
    }

    private Errno Populate(long offset, long length)
    {
        var advice = decision.Prealloc == PreallocMode.Write ? LibC.MadvPopulateWrite : LibC.MadvPopulateRead;
        Errno error;
        do
        {
            error = advise(offset, length, advice);
        }
        while (error is Errno.EINTR or Errno.EAGAIN);

        // Kernels before 5.14 do not know the advice.
        return error == Errno.EINVAL ? Touch(offset, length) : error;
    }

    /// <summary>
    /// Touches each page through the kernel, which answers EIO where a load or store of our own would be a SIGBUS. Storing back what was
    /// read is safe because no guest runs yet; shared memory is only read, since its file has its blocks already.
    /// </summary>
    private unsafe Errno Touch(long offset, long length)
    {
        var memory = Syscall.open("/proc/self/mem", OpenFlags.O_RDWR | OpenFlags.O_CLOEXEC);
        if (memory < 0)
        {
            return Errors.Last;
        }

        Errno error = 0;
        byte content;
        for (var end = offset + length; offset < end && error == 0; offset += decision.PageSize)
        {
            var address = mapping.Address + (nint)offset;
            error = Errors.Of(Syscall.pread(memory, &content, 1, address));
            if (error == 0 && decision.Prealloc == PreallocMode.Write && !decision.Options.Share)
            {
                error = Errors.Of(Syscall.pwrite(memory, &content, 1, address));
            }
        }

        _ = Syscall.close(memory);
        return error;
    }
}
