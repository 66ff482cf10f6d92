using PsVm.Machine.State;
using PsVm.Riscv;

namespace PsVm.Machine.Board;

/// <summary>What a hart may do now, as far as its supervisor has said.</summary>
internal enum HartActivity
{
    /// <summary>Run.</summary>
    Run,

    /// <summary>Wait for an interrupt.</summary>
    Wait,

    /// <summary>Nothing, until another hart starts it.</summary>
    None,
}

/// <summary>What stands in for machine mode on a board without firmware. Safe from any thread.</summary>
internal interface ISupervisorEnvironment : IExecutionEnvironment, IStateful
{
    /// <summary>Calls that were answered.</summary>
    long Calls { get; }

    /// <summary>Starts a hart in supervisor mode, with its number in a0.</summary>
    /// <param name="hart">The hart.</param>
    /// <param name="entry">Guest physical address of its first instruction.</param>
    /// <param name="argument">What it finds in a1.</param>
    void Start(int hart, ulong entry, ulong argument);

    /// <summary>The supervisor has suspended all of the machine, and no hart has run since.</summary>
    bool IsAsleep { get; }

    /// <summary>Wakes the machine when its supervisor has suspended all of it.</summary>
    void WakeMachine();

    /// <summary>Brings a hart to where its supervisor wants it before it runs, on the hart's thread.</summary>
    HartActivity Prepare(Hart hart);
}
