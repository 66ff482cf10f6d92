using System.Diagnostics;
using PsVm.Machine.Board.Slots;

namespace PsVm.Machine.Guests;

/// <content>What guests have of their RAM.</content>
public sealed partial class GuestHost
{
    /// <summary>The least RAM that a kernel can be left with, whatever it says.</summary>
    internal const long LeastMemoryTarget = 16 << 20;

    private static readonly TimeSpan s_toAnswer = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan s_lookForAnswer = TimeSpan.FromMilliseconds(2);

    /// <inheritdoc/>
    public void SetMemoryTarget(GuestReference guest, long target, CancellationToken cancellation = default)
    {
        (LiveGuest found, BalloonDevice? balloon) = CheckTarget(guest, target, cancellation);
        balloon?.SetTarget(
            Math.Min((target + GuestBalloon.PageSize - 1) & -GuestBalloon.PageSize, found.Description.Memory), found.Description.Memory);
    }

    /// <inheritdoc/>
    public void CheckMemoryTarget(GuestReference guest, long target, CancellationToken cancellation = default) =>
        CheckTarget(guest, target, cancellation);

    private (LiveGuest Guest, BalloonDevice? Balloon) CheckTarget(GuestReference guest, long target, CancellationToken cancellation)
    {
        LiveGuest found = Find(guest);
        found.ThrowIfEnded();
        long memory = found.Description.Memory;
        if (found.Balloon is null && target == memory)
        {
            return (found, null); // it has all of it
        }

        if (found.Balloon is not { } balloon)
        {
            throw new GuestException(
                GuestErrorIds.GuestBalloonMissing,
                $"Expected a guest with a balloon, found that '{found.Name}' has none.",
                found.Name,
                "Start it with a balloon; a clone has one where its template's guest had one.");
        }

        if (target > memory)
        {
            throw Invalid(found, $"at most {ByteSize.ToExactText(memory)}, its RAM", target, "Give less.");
        }

        AskForStatistics([found], cancellation);
        GuestBalloon now = balloon.Show(memory);
        if (!now.HasDriver)
        {
            throw new GuestException(
                GuestErrorIds.GuestBalloonUnused,
                $"Expected a driver for the balloon in guest '{found.Name}', found none.",
                found.Name,
                "Wait until its kernel is up, or load the module virtio_balloon there.");
        }

        long needed = Math.Max(Math.Min(LeastMemoryTarget, memory), balloon.Needs(memory));
        return target >= needed ? (found, balloon) : throw Invalid(
            found,
            $"at least {ByteSize.ToExactText(needed)}, which its kernel needs now",
            target,
            "Give more, or end something in the guest first.");
    }

    private static GuestException Invalid(LiveGuest guest, string expected, long target, string action) => new(
        GuestErrorIds.GuestMemoryTargetInvalid,
        $"Expected a target for guest '{guest.Name}' of {expected}, found {ByteSize.ToExactText(target)}.",
        guest.Name,
        action);

    /// <summary>Has guests that run say anew how their memory is; returns when they have, or have not in time.</summary>
    private static void AskForStatistics(IReadOnlyList<LiveGuest> guests, CancellationToken cancellation)
    {
        long began = Stopwatch.GetTimestamp();
        List<(BalloonDevice Balloon, DateTimeOffset? Before)> asked = [];
        foreach (LiveGuest guest in guests)
        {
            if (guest is { Balloon: { } balloon, Info: { State: GuestState.Running, Balloon: { HasDriver: true, ToldAt: var before } } })
            {
                balloon.AskForStatistics();
                asked.Add((balloon, before));
            }
        }

        while (asked.Exists(one => one.Balloon.Show(0).ToldAt == one.Before) && Stopwatch.GetElapsedTime(began) < s_toAnswer)
        {
            cancellation.WaitHandle.WaitOne(s_lookForAnswer);
            cancellation.ThrowIfCancellationRequested();
        }
    }
}
