using PsVm.Machine.Board;
using PsVm.Machine.Devices;
using PsVm.Machine.Firmware;
using PsVm.Riscv;

namespace PsVm.Machine.Templates;

/// <summary>
/// Has the code compiled that a guest stands still for, before the first one of a process does: that is tens of milliseconds, and its work
/// a fraction of one.
/// </summary>
internal static class Rehearsal
{
    private static int s_done;

    /// <summary>Takes the state of another board of the kind, once; it never runs.</summary>
    public static void Once(GuestBoard board)
    {
        if (Interlocked.Exchange(ref s_done, 1) != 0)
        {
            return;
        }

        GuestMemory memory = new([]);
        GuestConsole console = new();
        using CodeCache code = new(TranslatorOptions.Off);
        Func<GuestBoard, ISupervisorEnvironment>? environment = board.Environment is null ? null : Sbi.For(memory, console, Ignore);
        using GuestBoard other = new(board.Machine, memory, 1, environment, code, console, Ignore);
        other.Pause();
        other.Drain(CancellationToken.None);
        MachineState.Take(other, Guid.Empty).Dispose();
        other.Resume();

        static void Ignore(PowerRequest request, uint code)
        {
        }
    }
}
