using PsVm.Memory.Tests.Support;

namespace PsVm.Memory.Tests.Files;

/// <summary>Unnamed files in memory on hosts that are particular about them.</summary>
public sealed class MemfdTests : IDisposable
{
    private const long Size = 4 << 20;
    private const uint NoexecSeal = 8;

    private readonly MemoryBackends _backends = new();

    /// <summary>
    /// vm.memfd_noexec=2 of Linux 6.3 refuses a file that is not said never to be executed; Linux before 6.3 knows no such flag.
    /// </summary>
    [SkippableTheory]
    [InlineData(0, RefusedCall.NoAccess)]
    [InlineData(NoexecSeal, RefusedCall.Invalid)]
    public void Ram_in_a_memfd_is_to_be_had_whether_or_not_it_has_to_say_that_nothing_is_run_from_it(uint flag, uint error)
    {
        long size = 0;
        SystemCallFilter.Run(
            () =>
            {
                using MemoryBackend backend = _backends.Create(
                    new MemoryBackendOptions { Kind = BackendKind.Memfd, Size = Size, Share = true });
                size = backend.Size;
            },
            new RefusedCall(RefusedCall.MemfdCreate, error, (1, NoexecSeal, flag)));

        Assert.Equal(Size, size);
    }

    public void Dispose() => _backends.Dispose();
}
