using System.Runtime.InteropServices;
using Mono.Unix.Native;

namespace PsVm.Memory.Native;

/// <summary>errno, for programs and for people.</summary>
internal static class Errors
{
    /// <summary>errno of the last call on this thread.</summary>
    public static Errno Last => NativeConvert.TryToErrno(Marshal.GetLastPInvokeError(), out var errno) ? errno : Errno.EIO;

    /// <summary>errno when a call returned -1, else 0.</summary>
    public static Errno Of(long result) => result == -1 ? Last : 0;

    public static string Describe(Errno errno) => $"{errno} ({Stdlib.strerror(errno)})";
}
