using PsVm.Riscv;
using PsVm.Riscv.Memory;

namespace PsVm.Machine.Firmware;

/// <summary>The console, many bytes at a time (chapter "Debug Console Extension").</summary>
internal sealed class DebugConsoleExtension(SbiContext context) : ISbiExtension
{
    /// <summary>
    /// Bytes that a call moves at most, some microseconds' worth: a caller that wants more calls again, as for a slow console.
    /// </summary>
    public const int MostBytes = 4096;

    public IReadOnlyList<ulong> Ids => [0x4442_434e]; // "DBCN"

    public SbiResult Call(Hart hart, ulong id, ulong function)
    {
        (ulong length, GuestAddress address, ulong high) = (hart[10], new GuestAddress(hart[11]), hart[12]);
        switch (function)
        {
            case 0 or 1:
                if (high != 0 || !context.Memory.Check(address, length, function == 0 ? RamUse.Read : RamUse.Write).IsDone)
                {
                    return SbiError.InvalidParameter;
                }

                int count = (int)Math.Min(length, MostBytes);
                return !context.Memory.TryHave(address, (ulong)count) ? SbiResult.Later
                    : function == 0 ? Write(address, count)
                    : Read(address, count);
            case 2:
                context.Console.Write([(byte)hart[10]]);
                return SbiResult.Success();
            default:
                return SbiError.NotSupported;
        }
    }

    // Copied first: another hart may write there meanwhile, and the console's lock is not held for a page that comes from a file.
    private SbiResult Write(GuestAddress address, int length)
    {
        Span<byte> bytes = stackalloc byte[length];
        if (!context.Memory.Read(address, bytes).IsDone)
        {
            return SbiError.Failed;
        }

        context.Console.Write(bytes);
        return SbiResult.Success((ulong)length);
    }

    private SbiResult Read(GuestAddress address, int length)
    {
        Span<byte> bytes = stackalloc byte[length];
        int taken = context.Console.TakeInput(bytes);
        return context.Memory.Write(address, bytes[..taken]).IsDone ? SbiResult.Success((ulong)taken) : SbiError.Failed;
    }
}
