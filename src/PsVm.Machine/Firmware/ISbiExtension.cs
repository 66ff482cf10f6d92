using PsVm.Riscv;

namespace PsVm.Machine.Firmware;

/// <summary>
/// An extension of the SBI. One with state is <see cref="State.IStateful"/> too, and has its place in the state by its place in
/// <see cref="Sbi"/>'s list: a new one goes behind the others, and <see cref="Sbi.NewestState"/> up by one.
/// </summary>
internal interface ISbiExtension
{
    /// <summary>Its number (EID), or numbers.</summary>
    IReadOnlyList<ulong> Ids { get; }

    /// <summary>
    /// Answers a call, on the thread of the hart that makes it, in bounded time: what a caller asks for may be done in part. RAM that is
    /// not there yet is not waited for (<see cref="SbiResult.Later"/>).
    /// </summary>
    /// <param name="hart">The caller. Its arguments are in a0 to a5; the answer is put in a0 and a1 by whoever called this.</param>
    /// <param name="id">The extension's number, one of <see cref="Ids"/>.</param>
    /// <param name="function">The function's number (FID).</param>
    SbiResult Call(Hart hart, ulong id, ulong function);

    /// <summary>A hart begins anew: what the extension keeps of it is as at reset. On the hart's thread.</summary>
    void Reset(int hart)
    {
    }
}
