using PsVm.Machine.Devices;
using PsVm.Riscv;

namespace PsVm.Machine.Firmware;

/// <summary>
/// The calls of before there were extensions (chapter "Legacy Extensions"). They return one value, and a1 stays as it is. Those that take
/// pointers are left out: no kernel of today needs them.
/// </summary>
internal sealed class LegacyExtension(SbiContext context) : ISbiExtension
{
    private const ulong SetTimer = 0;
    private const ulong PutCharacter = 1;
    private const ulong GetCharacter = 2;
    private const ulong Shutdown = 8;

    public IReadOnlyList<ulong> Ids => [SetTimer, PutCharacter, GetCharacter, Shutdown];

    /// <summary>The answer to a call that is not there.</summary>
    public static SbiResult NotSupported(ulong id) =>
        id <= Shutdown ? new SbiResult(unchecked((ulong)SbiError.NotSupported), null) : SbiError.NotSupported;

    public SbiResult Call(Hart hart, ulong id, ulong function)
    {
        switch (id)
        {
            case SetTimer:
                TimerExtension.SetTimer(context, hart, hart[10]);
                return new SbiResult(0, null);
            case PutCharacter:
                context.Console.Write([(byte)hart[10]]);
                return new SbiResult(0, null);
            case GetCharacter:
                return new SbiResult(context.Console.TryTakeInput(out byte character) ? character : ulong.MaxValue, null);
            default:
                context.RequestPower(hart, PowerRequest.Off, 0);
                return new SbiResult(0, null);
        }
    }
}
