using System.Globalization;
using Mono.Unix.Native;

namespace PsVm.Machine.Agents;

/// <summary>What goes wrong with agents, for the reader. What a guest says is shown as text, and not all of it.</summary>
internal static class AgentErrors
{
    private const int MostQuoted = 200;
    private const string Found = ", found: ";

    private const string GetOne =
        "Install qemu-guest-agent in the guest (apt install qemu-guest-agent), or make its initramfs by tests/guests/get-linux.sh, which "
            + "packs psvm-agent.";

    public static GuestException NoPort(string guest, string machineType) => new(
        GuestErrorIds.GuestAgentMissing,
        $"Expected guest '{guest}' to have a port for an agent, found machine type {machineType}, which has none.",
        guest,
        $"Start the guest with -MachineType virt-1.4. {GetOne}");

    public static GuestException Absent(string guest) => new(
        GuestErrorIds.GuestAgentMissing,
        $"Expected an agent in guest '{guest}', found that no program of it has opened /dev/virtio-ports/org.qemu.guest_agent.0.",
        guest,
        $"Wait until the guest has booted. {GetOne}");

    public static GuestException Gone(string guest) => new(
        GuestErrorIds.GuestAgentGone,
        $"Expected the agent of guest '{guest}' to answer, found that it has closed its port, or that the guest has begun anew.",
        guest,
        "Try again once the guest is up.");

    public static GuestException Silent(string guest, TimeSpan timeout) => new(
        GuestErrorIds.GuestAgentSilent,
        $"Expected the agent of guest '{guest}' to answer within {Seconds(timeout)}, found that it does not.",
        guest,
        "See on the guest's console whether it hangs; Restart-Guest or Reset-Guest begins anew.");

    public static GuestException Starved(string guest, TimeSpan timeout) => new(
        GuestErrorIds.GuestAgentSilent,
        $"Expected the agent of guest '{guest}' to answer within {Seconds(timeout)}, found that the guest waits for the host's CPUs.",
        guest,
        "Run in fewer guests at once (-ThrottleLimit), suspend some, or lift its CpuLimit (Set-Guest).");

    public static GuestException Garbled(string guest, string expected, string found) => new(
        GuestErrorIds.GuestAgentGarbled,
        $"Expected of the agent of guest '{guest}' {expected}, found {Quote(found)}.",
        guest,
        "The program that has the guest's port open is no agent, or a broken one.");

    public static GuestException Flooded(string guest, long most) => new(
        GuestErrorIds.GuestAgentFlooded,
        $"Expected of the agent of guest '{guest}' an answer of at most {most} bytes, found a longer one.",
        guest,
        "Have the command write less, or to a file that Copy-GuestItem fetches.");

    public static GuestException Refused(string guest, string request, string found) => new(
        GuestErrorIds.GuestAgentRefused, $"Expected the agent of guest '{guest}' to do {request}{Found}{Quote(found)}", guest);

    public static GuestException NotOpened(string guest, string path, bool isRead, GuestException refused) => new(
        GuestErrorIds.GuestAgentRefused,
        $"Expected to open '{Quote(path)}' in guest '{guest}' to {(isRead ? "read" : "write")} it{Found}"
        + Explain(refused.Message[(refused.Message.IndexOf(Found, StringComparison.Ordinal) + Found.Length)..]),
        guest,
        isRead ? "Give the path of a file that is there." : "Give the path of a file, in a folder that is there.",
        refused);

    public static GuestException Unknown(string guest, string request) => new(
        GuestErrorIds.GuestAgentRefused,
        $"Expected the agent of guest '{guest}' to know {request}, found that it does not.",
        guest,
        "Allow it in the configuration of the guest's agent, or bring that up to date.");

    public static GuestException CommandTimeout(string guest, TimeSpan timeout) => new(
        GuestErrorIds.GuestCommandTimeout,
        $"Expected the command in guest '{guest}' to end within {Seconds(timeout)}, found that it runs; it was ended.",
        guest,
        "Give a longer -Timeout.");

    public static GuestException CopyFailed(string guest, string expected, string found, string action, Exception? inner = null) => new(
        GuestErrorIds.GuestCopyFailed, $"Expected {expected}, found: {Quote(found)}", guest, action, inner);

    /// <summary>What our agent says, with the name of the error that it ends with, which is a number of Linux's.</summary>
    private static string Explain(string found)
    {
        const string error = "error ";
        int at = found.LastIndexOf(error, StringComparison.Ordinal);
        return at >= 0 && int.TryParse(found.AsSpan(at + error.Length), NumberStyles.None, CultureInfo.InvariantCulture, out int number)
            ? $"{found} ({Stdlib.strerror((Errno)number)})"
            : found;
    }

    private static string Seconds(TimeSpan time) => $"{time.TotalSeconds.ToString("0.###", CultureInfo.InvariantCulture)} s";

    private static string Quote(string text) =>
        VisibleText.Of((text.Length > MostQuoted ? $"{text[..MostQuoted]}..." : text).ReplaceLineEndings(" "));
}
