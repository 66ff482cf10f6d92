using PsVm.Machine.Guests;
using PsVm.Memory;

namespace PsVm.Machine.Tests.Support;

/// <summary>A host of guests, and a folder that goes with it.</summary>
public abstract class GuestHostTest : IDisposable
{
    protected GuestHostTest() => Host = new GuestHost(Backends);

    protected string Folder { get; } = Directory.CreateTempSubdirectory("psvm-guests-").FullName;

    protected MemoryBackends Backends { get; } = new(_ => null);

    protected GuestHost Host { get; }

    public virtual void Dispose()
    {
        Host.Dispose();
        Backends.Dispose();
        Directory.Delete(Folder, recursive: true);
        GC.SuppressFinalize(this);
    }
}
