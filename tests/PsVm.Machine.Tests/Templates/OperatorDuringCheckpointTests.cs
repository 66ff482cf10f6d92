using Microsoft.Win32.SafeHandles;
using PsVm.Memory;
using PsVm.Memory.Copying;

namespace PsVm.Machine.Tests.Templates;

/// <summary>While a checkpoint copies, and for as long as it may take, every operator is answered.</summary>
public sealed class OperatorDuringCheckpointTests : TemplateTest
{
    // A hang, not slowness: the checkpoint stays open until the answer is there.
    private static readonly TimeSpan s_hang = Patience;

    private readonly ManualResetEventSlim _isCopying = new();
    private readonly ManualResetEventSlim _goOn = new();
    private readonly string _guest;
    private readonly MemoryBackend _ram;
    private Task<GuestTemplate>? _checkpoint;

    public OperatorDuringCheckpointTests()
    {
        _ram = Backends.Create(new MemoryBackendOptions { Id = "ram", Size = Memory });
        _guest = Boot(new GuestOptions { BackendIds = ["ram"] });
    }

    public override void Dispose()
    {
        _goOn.Set();
        _checkpoint?.ContinueWith(ended => _ = ended.Exception, TaskScheduler.Default).Wait(s_hang);
        base.Dispose();
        _isCopying.Dispose();
        _goOn.Dispose();
    }

    [Fact]
    public void Get_and_Measure_answer()
    {
        Open();

        Assert.Equal(GuestState.Running, Answer(() => Host.Get(_guest)).State);
        Assert.Single(Answer(() => Host.List()));
        Assert.NotEqual(0, Answer(() => Host.Measure(_guest, detailed: false)).OwnBytes);
        Assert.NotEqual(0, Assert.Single(Answer(() => Host.Measure(_guest, detailed: true)).Backends).Resident);
        Assert.NotEqual(0, Answer(() => _ram.Measure()).Resident);
        Assert.NotEqual(0, Answer(() => _ram.MeasureOwn()));
        Assert.Contains("GUEST-UP", Answer(() => Host.ReadConsole(_guest, 0)).Text, StringComparison.Ordinal);

        CloneOf(Finish());
        Check(_guest);
    }

    [Fact]
    public void A_guest_that_is_suspended_meanwhile_stays_so()
    {
        Open();

        Answer(() => Host.Suspend(_guest));

        Assert.Equal(GuestState.Suspended, Host.Get(_guest).State);
        CloneOf(Finish());
        Assert.Equal(GuestState.Suspended, Host.Get(_guest).State);
        AssertStands();
        Host.Resume(_guest);
        Check(_guest);
    }

    [Fact]
    public void A_guest_that_is_resumed_meanwhile_goes_on_at_once()
    {
        Host.Suspend(_guest);
        Open();

        Answer(() => Host.Resume(_guest));

        Assert.Equal(GuestState.Running, Host.Get(_guest).State);
        Check(_guest);
        CloneOf(Finish());
        Check(_guest);
    }

    [Fact]
    public void A_guest_works_on_meanwhile_and_its_clone_is_as_it_was()
    {
        string before = Check(_guest);
        Open();

        Answer(() => Ask(_guest, "touch 500", "touch: "));

        string clone = Clone(Finish());
        Assert.Equal(before, Check(clone));
        Check(_guest);
    }

    [Fact]
    public void A_discard_is_refused_and_done_afterwards()
    {
        Open();

        Assert.Equal(MemoryErrorIds.BackendBusy, Answer(() => Assert.Throws<MemoryBackendException>(Discard)).ErrorId);
        Assert.Equal(MemoryErrorIds.BackendBusy, ErrorOf(() => Backends.Get("ram").CheckDiscard(0, 4096, null)));

        CloneOf(Finish());
        Discard();
    }

    [Fact]
    public void A_second_checkpoint_and_the_removal_are_refused()
    {
        Open();

        Assert.Equal(
            GuestErrorIds.CheckpointInProgress, Answer(() => ErrorOf(() => Make(_guest, new CheckpointOptions { Path = At("second") }))));
        Assert.Equal(
            GuestErrorIds.CheckpointInProgress, ErrorOf(() => Host.CheckCheckpoint(_guest, new CheckpointOptions { Path = At("second") })));
        Assert.Equal(GuestErrorIds.GuestNotStopped, Answer(() => ErrorOf(() => Host.Remove(_guest))));
        Assert.Equal(MemoryErrorIds.BackendInUse, Answer(() => ErrorOf(() => Backends.Remove("ram"))));

        CloneOf(Finish());
    }

    [Fact]
    public async Task A_stop_waits_for_the_copy_to_give_up_and_can_be_cancelled()
    {
        Open();
        using CancellationTokenSource giveUp = new();
        Task stop = Task.Run(() => Host.Stop(_guest, giveUp.Token));
        Assert.True(SpinWait.SpinUntil(() => Host.LifeOf(_guest).IsWorkGivenUp, Patience)); // else nobody has asked for it yet
        Assert.NotSame(stop, await Task.WhenAny(stop, Task.Delay(50))); // the RAM is being read

        await giveUp.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => stop.WaitAsync(s_hang));
        _goOn.Set();
        Assert.Equal(GuestErrorIds.GuestStopped, (await Assert.ThrowsAsync<GuestException>(() => _checkpoint!.WaitAsync(s_hang))).ErrorId);
        Assert.Equal(GuestState.Stopped, Host.Get(_guest).State);
        Assert.False(Directory.Exists(At("t")));
        Host.Remove(_guest);
        Backends.Remove("ram");
    }

    [Fact]
    public async Task A_backend_that_goes_meanwhile_is_unmapped_when_its_copy_ends()
    {
        MemoryBackend free = Backends.Create(new MemoryBackendOptions { Id = "free", Size = Memory });
        using SafeFileHandle file = File.OpenHandle(At("copy"), FileMode.CreateNew, FileAccess.ReadWrite);
        Held copying = new(_isCopying, _goOn);
        Task copy = Task.Run(() =>
        {
            using IDisposable kept = free.KeepUnchanged(CancellationToken.None);
            using LiveCopy live = new([free], [file], ownOnly: false, _ => { }, copying, CancellationToken.None);
            live.Run(CancellationToken.None);
        });
        Assert.True(_isCopying.Wait(Patience));

        Answer(() => Backends.Remove("free"));

        Assert.Throws<ObjectDisposedException>(() => free.Measure());
        Assert.True(IsMapped(free));
        _goOn.Set();
        await copy.WaitAsync(s_hang);
        Assert.False(IsMapped(free));
    }

    // Whatever is mapped there afterwards begins elsewhere: guard pages are around a backend.
    private static bool IsMapped(MemoryBackend backend) => File.ReadLines("/proc/self/maps").Any(
        line => line.StartsWith($"{backend.Address:x}-{backend.Address + (nint)backend.Size:x} ", StringComparison.Ordinal));

    /// <summary>Has a checkpoint begin, and stay at its first bytes until <see cref="Finish"/>.</summary>
    private void Open()
    {
        _checkpoint = Task.Factory.StartNew(
            () => Host.Checkpoint(_guest, new CheckpointOptions { Path = At("t") }, new Held(_isCopying, _goOn), CancellationToken.None),
            CancellationToken.None,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default);
        Assert.True(_isCopying.Wait(Patience));
    }

    private GuestTemplate Finish()
    {
        Assert.False(_checkpoint!.IsCompleted);
        _goOn.Set();
        Assert.True(_checkpoint.Wait(Patience));
        return _checkpoint.Result;
    }

    private void CloneOf(GuestTemplate template)
    {
        string clone = Clone(template);
        Check(clone);
        End(clone);
    }

    private void Discard() => _ram.Discard(Memory / 2, 4096);

    private void AssertStands()
    {
        long instructions = Host.Get(_guest).Instructions;
        Thread.Sleep(50);
        Assert.Equal(instructions, Host.Get(_guest).Instructions);
    }

    private static void Answer(Action ask) => Answer(() =>
    {
        ask();
        return true;
    });

    private static T Answer<T>(Func<T> ask)
    {
        Task<T> answer = Task.Run(ask);
        Assert.True(
            ((Task)answer).ContinueWith(_ => { }, TaskScheduler.Default).Wait(s_hang), "no answer while the checkpoint is under way");
        return answer.GetAwaiter().GetResult();
    }

    /// <summary>Progress that keeps the thread that copies.</summary>
    private sealed class Held(ManualResetEventSlim isCopying, ManualResetEventSlim goOn) : IProgress<StepProgress>
    {
        public void Report(StepProgress value) => Hold();

        public void Hold()
        {
            isCopying.Set();
            goOn.Wait();
        }
    }
}
