using PsVm.Memory.Mapping;
using PsVm.Memory.Options;

namespace PsVm.Machine.Guests;

/// <summary>What a host says of its guests.</summary>
internal static class GuestEvents
{
    /// <summary>A guest is about to run.</summary>
    /// <param name="events">Where it is noted.</param>
    /// <param name="guest">The guest.</param>
    /// <param name="what">That it started, or started again.</param>
    public static void NoteStart(this HostEventLog events, GuestInfo guest, string what) => events.Add(
        HostEventLevel.Information,
        HostEventIds.GuestStarted,
        guest,
        info => (
            $"Guest {info.Name} {what}: {info.Boot}, {ByteSize.ToText(info.Memory)}, {info.Harts} {(info.Harts == 1 ? "hart" : "harts")}",
            new Dictionary<string, object>
            {
                ["boot"] = info.Boot,
                ["memoryBytes"] = info.Memory,
                ["harts"] = info.Harts,
                ["machineType"] = info.MachineType,
                ["backends"] = string.Join("; ", info.Backends.Select(
                    backend => $"{backend.Id}: {ByteSize.ToText(backend.Size)}, {backend.Mapping}, {backend.Path ?? $"{backend.Kind}"}")),
            }));

    /// <summary>A guest is a template, too.</summary>
    public static void NoteCheckpoint(this HostEventLog events, GuestInfo guest, GuestTemplate template) => events.Add(
        HostEventLevel.Information,
        HostEventIds.GuestCheckpointed,
        guest,
        $"Guest {guest.Name} checkpointed to '{template.Path}'"
            + (template.Pause is { } pause
                ? FormattableString.Invariant($"; it stood still for {pause.TotalMilliseconds:0.0} ms")
                : string.Empty),
        new Dictionary<string, object>
        {
            ["template"] = template.Path,
            ["pauseMilliseconds"] = template.Pause?.TotalMilliseconds ?? 0,
        });

    /// <summary>A copy that guests run on has ended, well or not.</summary>
    public static void NoteFill(this HostEventLog events, GuestFill fill) => events.Add(
        fill.Failure is null ? HostEventLevel.Information : HostEventLevel.Warning,
        fill.Failure is null ? HostEventIds.TemplateFilled : HostEventIds.TemplateFillFailed,
        guest: null,
        (fill.Failure, fill.Destination) switch
        {
            ({ } failure, _) => $"Template '{fill.Source}', on a copy of which guests run, cannot be copied: {failure.Message}",
            (_, { } destination) => $"Template '{fill.Source}' is all at '{destination}'",
            _ => $"Template '{fill.Source}' is all there for the guests that were started on it lazily",
        },
        new Dictionary<string, object>
        {
            ["source"] = fill.Source,
            ["destination"] = fill.Destination ?? string.Empty,
            ["copiedBytes"] = fill.BytesFetched,
        });

    /// <summary>A guest begins again, as it asked for.</summary>
    public static void NoteReboot(this HostEventLog events, GuestInfo guest) =>
        events.Note(HostEventIds.GuestRebooted, guest, $"Guest {guest.Name} reboots, for the {guest.Reboots}. time");

    /// <summary>A guest was put back to its template.</summary>
    public static void NoteReset(this HostEventLog events, GuestInfo guest) =>
        events.Note(HostEventIds.GuestReset, guest, $"Guest {guest.Name} reset to {guest.Template}");

    /// <summary>A pool could not be filled again.</summary>
    public static void WarnOfPool(this HostEventLog events, string pool, PsVmError failure) => events.Add(
        HostEventLevel.Warning, HostEventIds.GuestPoolNotFilled, guest: null, $"Pool {pool} cannot be filled: {failure.Message}");

    /// <summary>A guest has another name.</summary>
    public static void NoteRename(this HostEventLog events, GuestInfo guest, string before) =>
        events.Note(HostEventIds.GuestRenamed, guest, $"Guest {before} is now {guest.Name}");

    /// <summary>A guest was removed.</summary>
    public static void NoteRemoval(this HostEventLog events, GuestInfo guest) =>
        events.Note(HostEventIds.GuestRemoved, guest, $"Guest {guest.Name} removed");

    /// <summary>A guest has stopped or failed.</summary>
    public static void NoteEnd(this HostEventLog events, GuestInfo guest)
    {
        if (guest.State.IsFailure())
        {
            events.Add(HostEventLevel.Error, HostEventIds.GuestFailed, guest, $"Guest {guest.Name} failed: {guest.StopReason}");
        }
        else
        {
            events.Note(HostEventIds.GuestStopped, guest, $"Guest {guest.Name} stopped: {guest.StopReason}");
        }
    }

    /// <summary>Guests are not translated though that was wanted.</summary>
    /// <param name="events">Where it is noted.</param>
    /// <param name="refusal">What the host refused.</param>
    public static void WarnOfInterpreter(this HostEventLog events, string refusal) => events.Add(
        HostEventLevel.Warning,
        HostEventIds.TranslationUnavailable,
        guest: null,
        $"Guests run on the interpreter alone, several times slower: this host gives no memory for translated code ({refusal}). "
        + "A host with vm.memfd_noexec below 2, and without a filter of system calls against memory that can be executed, gives it.");

    /// <summary>A guest has too much memory, or the host too little for it to grow.</summary>
    public static void WarnOfExcess(this HostEventLog events, GuestInfo guest, MemoryExcess excess) => events.Add(
        HostEventLevel.Warning,
        excess.EventId,
        guest,
        $"Guest {guest.Name} is {(guest.OwnMemoryAction == OwnMemoryAction.Stop ? "stopped" : "suspended")}: {excess.Reason}");

    /// <summary>Something that a guest was given goes wrong.</summary>
    public static void WarnOfDevice(this HostEventLog events, GuestInfo guest, string clause) =>
        events.Add(HostEventLevel.Warning, HostEventIds.GuestDeviceFailed, guest, $"Guest {guest.Name}: {clause}");

    /// <summary>A guest has not become who it is to be.</summary>
    public static void WarnOfIdentity(this HostEventLog events, GuestInfo guest, string clause) => events.Add(
        HostEventLevel.Warning,
        HostEventIds.GuestIdentityFailed,
        guest,
        $"Guest {guest.Name} has not the identity that it was started with: {clause}");

    /// <summary>Memory has become short.</summary>
    /// <param name="events">Where it is noted.</param>
    /// <param name="room">What there is.</param>
    /// <param name="reserve">What there is to be.</param>
    public static void WarnOfShortage(this HostEventLog events, MemoryRoom room, long reserve) => events.Add(
        HostEventLevel.Warning,
        HostEventIds.MemoryReserveReached,
        guest: null,
        $"{ByteSize.ToText(Math.Max(0, room.Bytes))} of memory are left, less than the reserve of {ByteSize.ToText(reserve)} "
        + $"({room.Source}): "
        + "guests that grow now are suspended or stopped.");

    private static void Note(this HostEventLog events, string id, GuestInfo guest, string message) =>
        events.Add(HostEventLevel.Information, id, guest, message);
}
