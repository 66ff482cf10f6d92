namespace PsVm.Machine.Tests.Support;

/// <summary>
/// What machines have of the CPU time of one thread while all of them want it: from when each has had a slice until so much was used.
/// Looked at between two slices, by whoever runs them: a test that lets one go, or looks, before another would count what one had alone.
/// </summary>
internal sealed class SharedTime
{
    /// <summary>
    /// For a scheduler whose thread no other one is to help: while it stands still in the midst of a slice, as it may on a busy host,
    /// others would run beside it.
    /// </summary>
    public static readonly TimeSpan Patience = TimeSpan.FromHours(1);

    private readonly Lock _gate = new();
    private readonly BareMachine[] _machines;
    private readonly Func<TimeSpan[], bool> _isEnough;
    private readonly HashSet<BareMachine> _seen = [];
    private TimeSpan[]? _began;
    private volatile TimeSpan[]? _had;

    private SharedTime(BareMachine[] machines, Func<TimeSpan[], bool> isEnough)
    {
        (_machines, _isEnough) = (machines, isEnough);
        Array.ForEach(machines, machine => machine.OnSlice = () => Look(machine));
    }

    /// <summary>Lets all run, those that do not yet, and holds them again.</summary>
    /// <param name="isEnough">Told what each has had since all run, until that is enough.</param>
    /// <param name="machines">The machines, on one thread.</param>
    /// <returns>What each has had by then.</returns>
    public static TimeSpan[] Measure(Func<TimeSpan[], bool> isEnough, params BareMachine[] machines)
    {
        SharedTime shared = new(machines, isEnough);
        Array.ForEach(machines, machine => machine.Group.Release());
        Assert.True(SpinWait.SpinUntil(() => shared._had is not null, TimeSpan.FromMinutes(2)), "gave up waiting");
        Array.ForEach(machines, machine => machine.Group.Hold(CancellationToken.None));
        return shared._had!;
    }

    private void Look(BareMachine machine)
    {
        lock (_gate)
        {
            _seen.Add(machine);
            if (_had is not null || _seen.Count < _machines.Length)
            {
                return;
            }

            _began ??= Now();
            TimeSpan[] had = [.. Now().Zip(_began, (now, began) => now - began)];
            _had = _isEnough(had) ? had : null;
        }
    }

    private TimeSpan[] Now() => [.. _machines.Select(machine => machine.CpuTime)];
}
