using PsVm.Machine.Devices;
using PsVm.Riscv;

namespace PsVm.Machine.Tests.Support;

/// <summary>Remembers what devices do to harts.</summary>
internal sealed class FakeHarts(int harts) : IHartLines
{
    private readonly InterruptLines[] _lines = new InterruptLines[harts];
    private readonly ulong[] _timers = [.. Enumerable.Repeat(ulong.MaxValue, harts)];

    public InterruptLines this[int hart] => _lines[hart];

    public int Sources { get; private set; }

    public List<int> Woken { get; } = [];

    public void SetInterrupt(int hart, InterruptLines lines, bool level) =>
        _lines[hart] = level ? _lines[hart] | lines : _lines[hart] & ~lines;

    public void Wake(int hart) => Woken.Add(hart);

    public void NoteSource() => Sources++;

    public ulong GetTimer(int hart) => _timers[hart];

    public void SetTimer(int hart, ulong compare) => _timers[hart] = compare;
}
