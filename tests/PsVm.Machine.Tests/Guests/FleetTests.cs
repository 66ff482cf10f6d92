using System.Collections.Concurrent;
using PsVm.Machine.Guests;
using PsVm.Memory;

namespace PsVm.Machine.Tests;

/// <summary>Many embedded guests in one host. Alone in its collection, for it counts the process's threads.</summary>
[Collection(nameof(FleetTests))]
[CollectionDefinition(nameof(FleetTests), DisableParallelization = true)]
public sealed class FleetTests : IDisposable
{
    private const string Endless = "spin 1000000000\r";

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private readonly MemoryBackends _backends = new();
    private readonly GuestHost _host;

    public FleetTests() => _host = new GuestHost(_backends);

    public void Dispose()
    {
        _host.Dispose();
        _backends.Dispose();
    }

    [Fact]
    public void Idle_guests_have_no_threads_of_their_own()
    {
        string[] names = StartMany(100);

        Assert.True(SpinWait.SpinUntil(() => CountThreads() <= Environment.ProcessorCount, Patience)); // others' hosts have just gone
        Assert.All(names, name => Assert.True(_host.WaitForText(name, "TICK 2", Patience, default), name));
    }

    [Fact]
    public void The_threads_go_with_the_host()
    {
        StartMany(3);
        _host.Dispose();

        // The kernel's entry of a joined thread may outlive it by a moment.
        Assert.True(SpinWait.SpinUntil(() => CountThreads() == 0, Patience), $"{CountThreads()} threads stay");
    }

    [Fact]
    public void A_guest_answers_beside_busy_ones()
    {
        string[] busy = StartMany(3 * Environment.ProcessorCount, "busy");
        string[] calm = StartMany(3, "calm");
        Array.ForEach(busy, name => _host.WriteConsole(name, Endless));

        Array.ForEach(calm, Check);

        // And those were busy meanwhile, or have their first slice behind them soon.
        Assert.True(SpinWait.SpinUntil(() => _host.Measure([.. busy], detailed: false).All(guest => guest.Exits.Slice > 0), Patience));
    }

    [Fact]
    public void Busy_guests_stand_still_while_suspended_and_can_be_stopped()
    {
        string[] names = StartMany(4, harts: 2);
        Array.ForEach(names, name => _host.WriteConsole(name, Endless));
        for (int i = 0; i < 50; i++)
        {
            Array.ForEach(names, name => _host.Suspend(name));
            long[] held = [.. names.Select(name => _host.Get(name).Instructions)];
            Assert.Equal(held, names.Select(name => _host.Get(name).Instructions));
            Array.ForEach(names, name => _host.Resume(name));
        }

        Array.ForEach(names, name => _host.Stop(name));
        Assert.All(_host.List(), guest => Assert.Equal(GuestState.Stopped, guest.State));
    }

    [Fact]
    public void Nothing_gets_lost_when_guests_are_typed_to_held_and_ended_at_once()
    {
        string[] names = StartMany(24, harts: 2);
        ConcurrentBag<string> gone = [];
        Parallel.ForEach(names.Index(), new ParallelOptions { MaxDegreeOfParallelism = 8 }, item =>
        {
            (int index, string name) = item;
            var random = new Random(index);
            for (int round = 1; round <= 15; round++)
            {
                _host.WriteConsole(name, $"touch {round}\r");
                for (int i = random.Next(4); i > 0; i--)
                {
                    _host.Suspend(name);
                    Thread.Yield();
                    _host.Resume(name);
                }

                Assert.True(_host.WaitForText(name, $"touch: pages={round} ", Patience, default), _host.ReadConsole(name, 0).Text);
            }

            if (index % 3 == 0)
            {
                _host.Stop(name);
            }
            else if (index % 3 == 1)
            {
                _host.WriteConsole(name, "off\r");
                Assert.True(_host.WaitForState(name, GuestState.Stopped, Patience, default));
            }
            else
            {
                return;
            }

            _host.Remove(name);
            gone.Add(name);
        });

        string[] left = [.. names.Except(gone)];
        Assert.Equal(8, left.Length);
        Assert.Equal(left, _host.List().Select(guest => guest.Name));
        Array.ForEach(left, Check);
    }

    private string[] StartMany(int count, string prefix = "g", int harts = 1)
    {
        string[] names = [.. Enumerable.Range(0, count).Select(number => $"{prefix}{number}")];
        Array.ForEach(names, name => _host.Start(new GuestOptions { Name = name, Memory = 4 << 20, Harts = harts }, default));
        Assert.All(names, name => Assert.True(_host.WaitForText(name, "GUEST-UP", Patience, default), name));
        return names;
    }

    private void Check(string name)
    {
        _host.WriteConsole(name, "spin 1\rcheck\r");
        Assert.True(_host.WaitForText(name, "spin: ", Patience, default), _host.ReadConsole(name, 0).Text);
    }

    private static int CountThreads() => Directory.GetDirectories("/proc/self/task").Count(IsOurs);

    private static bool IsOurs(string task)
    {
        try
        {
            return File.ReadAllText(Path.Combine(task, "comm")).StartsWith("PsVm harts", StringComparison.Ordinal);
        }
        catch (IOException)
        {
            return false; // a thread that ended meanwhile
        }
    }
}
