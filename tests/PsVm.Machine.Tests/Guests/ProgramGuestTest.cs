using PsVm.Machine.Tests.Support;

namespace PsVm.Machine.Tests.Guests;

/// <summary>The base of tests of guests that run small programs.</summary>
public abstract class ProgramGuestTest : GuestHostTest
{
    private protected const long Memory = 4 << 20;
    private protected const ulong DebugConsole = 0x4442434e, HartState = 0x48534d;

    private protected static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    private int _kernels;

    private protected string Start(string? name, string kernel) =>
        Host.Start(new GuestOptions { Name = name, Kernel = kernel, Memory = Memory }, CancellationToken.None).Name;

    private protected string Kernel(byte[] content)
    {
        string path = Path.Combine(Folder, $"kernel{_kernels++}");
        File.WriteAllBytes(path, content);
        return path;
    }

    private protected void StartFails(string errorId, GuestOptions options)
    {
        PsVmException error = Assert.ThrowsAny<PsVmException>(() => Host.Start(options, CancellationToken.None));
        Assert.Equal(errorId, error.ErrorId);
    }

    private protected static GuestException Fails(string errorId, Action action)
    {
        GuestException error = Assert.Throws<GuestException>(action);
        Assert.Equal(errorId, error.ErrorId);
        return error;
    }

    private protected static void Ignoring(string errorId, Action action)
    {
        try
        {
            action();
        }
        catch (GuestException error) when (error.ErrorId == errorId)
        {
        }
    }

    private protected static void Until(Func<bool> condition) => Assert.True(SpinWait.SpinUntil(condition, Patience));
}
