using System.Buffers.Binary;
using PsVm.Machine.Board;
using PsVm.Machine.Firmware;
using PsVm.Machine.Tests.Support;

namespace PsVm.Machine.Tests.Firmware;

/// <summary>The state of the SBI in templates: what version 1 wrote, and what no hart comes to.</summary>
public sealed class SbiStateTests : IDisposable
{
    private const int HartSize = 21;

    private readonly SbiHarts _sbi = new();

    public void Dispose() => _sbi.Dispose();

    [Fact]
    public void A_state_of_version_1_has_the_harts_alone()
    {
        byte[] first = [.. Hart(0), .. Hart(1, hasEntry: true)]; // running, and never started

        _sbi.Restore(first, version: 1);

        Assert.Equal((SbiHarts.Success, 0ul), _sbi.Call(SbiHarts.HartState, 2, 0));
        Assert.Equal((SbiHarts.Success, 1ul), _sbi.Call(SbiHarts.HartState, 2, 1));
        Assert.Equal(2u, Sbi.NewestState);
        Assert.Equal([.. Hart(0), .. Hart(1, hasEntry: true)], _sbi.Save(version: 1));
    }

    [Theory]
    [InlineData(0, false, 0, 0, true)]
    [InlineData(2, true, SbiHarts.Entry, 5, true)]
    [InlineData(4, true, SbiHarts.Entry, 5, true)]
    [InlineData(4, false, 0, 0, true)]
    [InlineData(0, true, SbiHarts.Entry, 0, false)] // runs, and has yet to begin
    [InlineData(0, false, 0, 1, false)]
    [InlineData(2, false, 0, 0, false)] // nowhere to begin
    [InlineData(3, true, 0, 0, false)]
    [InlineData(4, false, 1, 0, false)]
    [InlineData(1, true, SbiHarts.Entry, 0, false)]
    [InlineData(5, false, 0, 0, false)]
    [InlineData(uint.MaxValue, false, 0, 0, false)]
    public void A_state_that_no_hart_comes_to_is_refused(uint status, bool hasEntry, ulong entry, ulong argument, bool isOne)
    {
        byte[] state = _sbi.Save();
        Hart(status, hasEntry, entry, argument).CopyTo(state, HartSize);

        InvalidDataException? refusal = (InvalidDataException?)Record.Exception(() => _sbi.Restore(state));

        Assert.Equal(isOne, refusal is null);
    }

    [Fact]
    public void A_machine_in_which_nothing_can_ever_run_is_refused()
    {
        byte[] state = _sbi.Save();
        Hart(1).CopyTo(state, 0);
        Hart(3).CopyTo(state, HartSize);

        InvalidDataException refusal = Assert.Throws<InvalidDataException>(() => _sbi.Restore(state));

        Assert.Contains("no hart", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Counters_and_locks_that_there_are_not_are_refused()
    {
        byte[] state = _sbi.Save();
        int counters = (2 * HartSize) + 2;
        AssertRefused(2 * HartSize, 1); // runs, and was woken
        AssertRefused(counters, 2); // the place of time is started
        AssertRefused(counters + 7, 0x80);
        AssertRefused(counters + 8, 1); // an event that the firmware does not count
        AssertRefused(state.Length - 1, 2); // a lock is there or not
        Assert.Throws<InvalidDataException>(() => _sbi.Restore(state[..^1]));
        Assert.Throws<InvalidDataException>(() => _sbi.Restore([.. state, 0]));
        _sbi.Restore(state);

        void AssertRefused(int at, byte value)
        {
            byte[] altered = [.. state];
            altered[at] = value;
            Assert.Throws<InvalidDataException>(() => _sbi.Restore(altered));
        }
    }

    private static byte[] Hart(uint status, bool hasEntry = false, ulong entry = 0, ulong argument = 0)
    {
        byte[] state = new byte[HartSize];
        BinaryPrimitives.WriteUInt32LittleEndian(state, status);
        state[4] = hasEntry ? (byte)1 : (byte)0;
        BinaryPrimitives.WriteUInt64LittleEndian(state.AsSpan(5), entry);
        BinaryPrimitives.WriteUInt64LittleEndian(state.AsSpan(13), argument);
        return state;
    }
}
