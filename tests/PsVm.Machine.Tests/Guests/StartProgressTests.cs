using PsVm.Machine.Guests;
using PsVm.Machine.Tests.Support;
using PsVm.Memory;

namespace PsVm.Machine.Tests.Guests;

public sealed class StartProgressTests : IDisposable
{
    private const int InitrdSize = 20 << 20;

    private readonly string _folder = Directory.CreateTempSubdirectory("psvm-start-progress-").FullName;
    private readonly MemoryBackends _backends = new();
    private readonly GuestHost _host;
    private readonly GuestOptions _options;
    private readonly long _size;

    public StartProgressTests()
    {
        _host = new GuestHost(_backends);
        _options =
            new GuestOptions { Kernel = Path.Combine(_folder, "kernel"), Initrd = Path.Combine(_folder, "initrd"), Memory = 64 << 20 };
        byte[] kernel = BootFile.Image([0x6f, 0, 0, 0], imageSize: 1 << 20);
        File.WriteAllBytes(_options.Kernel, kernel);
        File.WriteAllBytes(_options.Initrd, new byte[InitrdSize]);
        _size = kernel.Length + InitrdSize;
    }

    public void Dispose()
    {
        _host.Dispose();
        _backends.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public void A_boot_tells_how_many_bytes_of_kernel_and_initrd_are_loaded()
    {
        Told told = new(_ => { });
        _host.Start(_options, told, CancellationToken.None);

        Assert.All(told, report => Assert.Equal((HostStep.Loading, _size), (report.Step, report.Total)));
        Assert.True(told.Count > 2, "It was told only at the end.");
        Assert.Equal(told.Select(report => report.Done).Order(), told.Select(report => report.Done));
        Assert.Equal(_size, told[^1].Done);
    }

    [Fact]
    public void Loading_is_given_up_in_the_middle_and_leaves_nothing_behind()
    {
        using CancellationTokenSource cancelled = new();
        Told told = new(report =>
        {
            if (report.Done > InitrdSize / 2)
            {
                cancelled.Cancel();
            }
        });

        Assert.Throws<OperationCanceledException>(() => _host.Start(_options, told, cancelled.Token));

        Assert.True(told[^1].Done < _size);
        Assert.Empty(_host.List());
        Assert.Empty(_backends.List());
    }

    private sealed class Told(Action<StepProgress> also) : List<StepProgress>, IProgress<StepProgress>
    {
        public void Report(StepProgress value)
        {
            Add(value);
            also(value);
        }
    }
}
