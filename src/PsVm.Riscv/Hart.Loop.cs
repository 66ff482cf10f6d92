using System.Diagnostics;
using PsVm.Riscv.Interpreter;

namespace PsVm.Riscv;

/// <content>What a hart does between slices of instructions.</content>
public sealed unsafe partial class Hart
{
    // Some microseconds, as long as locks are held whose holder runs: a thread of the host takes about as long to go from one hart to
    // another. Source: KVM's pause loop exiting, which waits 4,096 cycles (ple_window).
    private const int MostPauses = 50;

    // Timers are looked at after a slice of so many instructions. What comes between slices takes half a microsecond, so they are long
    // where instructions are cheap, as long as their time is a small part of a millisecond.
    private const ulong LeastSlice = 20_000, MostSlice = 80_000;
    private static readonly long s_shortSlice = Stopwatch.Frequency / 50_000, s_longSlice = Stopwatch.Frequency / 16_000;
    private ulong _slice = LeastSlice;

    /// <summary>What counts against budgets.</summary>
    private ulong Spent => State->Retired + State->Traps + _charged;

    private HartExit RunBlocks(ulong maxInstructions)
    {
        // Traps count too: a handler that traps at once retires nothing, and must not hold the caller for ever.
        ulong begin = Spent;
        State->Pauses = MostPauses;
        long sliceBegan = Stopwatch.GetTimestamp();
        while (true)
        {
            ulong done = Spent - begin;
            State->Limit = State->Retired + Math.Min(maxInstructions - Math.Min(done, maxInstructions), _slice);
            Interlocked.MemoryBarrier(); // a request that set Limit to 0 before this line is seen in the next ones
            Blocks.KeepUp();
            if (Volatile.Read(ref _requests) != 0 && ServeRequests())
            {
                return HartExit.Requested;
            }

            if (Csrs.DeliverableInterrupt() is { } interrupt)
            {
                Trap(interrupt, 0, State->Pc);
            }

            if (Spent - begin >= maxInstructions || Mmu.IsOverdue)
            {
                return HartExit.Budget;
            }

            switch (Interpret())
            {
                case BlockExit.WaitForInterrupt:
                    if (!Csrs.HasWakeup)
                    {
                        return HartExit.WaitForInterrupt;
                    }

                    break;
                case BlockExit.WaitForStore:
                    if (!Csrs.HasWakeup && IsReservationValid())
                    {
                        return HartExit.WaitForStore;
                    }

                    break;
                default:
                    if (_awaitsPage)
                    {
                        _awaitsPage = false;
                        return HartExit.WaitForPage;
                    }

                    if (State->Pauses <= 0)
                    {
                        return HartExit.Pause;
                    }

                    if (State->Limit != 0)
                    {
                        Sample();
                        sliceBegan = EndSlice(sliceBegan);
                    }

                    break;
            }
        }
    }

    /// <summary>Makes the next slice as long as fits the time that this one took; gives when it begins.</summary>
    private long EndSlice(long began)
    {
        long now = Stopwatch.GetTimestamp(), took = now - began;
        if (took < s_shortSlice)
        {
            _slice = Math.Min(2 * _slice, MostSlice);
        }
        else if (took > s_longSlice)
        {
            _slice = Math.Max(_slice / 2, LeastSlice);
        }

        return now;
    }

    /// <summary>
    /// Whether nothing was stored since LR, as far as the low word tells: the reservation's width is not known, and a wait that is one turn
    /// too long does no harm.
    /// </summary>
    /// <remarks>Safety: LR took the address from the TLB or the page table: an aligned word of RAM, which stays mapped.</remarks>
    private bool IsReservationValid() =>
        State->ReservedHost != 0 && Volatile.Read(ref *(uint*)State->ReservedHost) == (uint)State->ReservedValue;

    /// <summary>
    /// Where a slice ends is, more often than not, where the time goes. A function that is in no loop of its own may be called from one:
    /// then that is where it returns to.
    /// </summary>
    private void Sample()
    {
        const int ReturnAddress = 1;
        Blocks.Space.EndSlice();
        if (!Sample(State->Pc))
        {
            Sample(State->X[ReturnAddress]);
        }
    }

    /// <summary>Notes that the time goes to a block; whether it may be known some day, or is, in which loop that is.</summary>
    private bool Sample(ulong address)
    {
        JumpEntry* jump = State->JumpOf(address);
        return address == JumpEntry.Empty || jump->Address != address || Blocks.Space.Sample(Blocks, jump->Ops, address);
    }

    private BlockExit Interpret()
    {
        using HartProfile.Scope scope = HartProfile.During(Profile, HartWork.Interpreted);
        return BlockInterpreter.Run(this);
    }
}
