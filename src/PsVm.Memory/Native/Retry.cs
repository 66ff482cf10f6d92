using Mono.Unix.Native;

namespace PsVm.Memory.Native;

/// <summary>Repeats system calls that a signal interrupted.</summary>
internal static class Retry
{
    public static Errno WhileInterrupted(Func<long> call)
    {
        Errno error;
        do
        {
            error = Errors.Of(call());
        }
        while (error == Errno.EINTR);
        return error;
    }
}
