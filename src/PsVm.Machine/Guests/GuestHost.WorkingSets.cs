using System.Diagnostics;
using PsVm.Machine.Templates;

namespace PsVm.Machine.Guests;

/// <content>Which pages of templates clones touch first.</content>
public sealed partial class GuestHost
{
    private static readonly TimeSpan s_firstLook = TimeSpan.FromMilliseconds(10);

    /// <inheritdoc/>
    public TemplateWorkingSet RecordWorkingSet(GuestReference guest, CancellationToken cancellation = default)
    {
        LiveGuest found = Find(guest);
        GuestTemplate template = found.Origin ?? throw new GuestException(
            GuestErrorIds.WorkingSetNotClone,
            $"Expected guest '{found.Name}' to have been started from a template, found that it booted.",
            found.Name,
            "Give a clone of the template, or the template itself.");
        WorkingSetRecorder recorder = new([.. template.RamBlocks.Select(block => block.Size)]);
        recorder.Look(found.Touched(cancellation) ?? throw found.StoppedError());
        return Write(recorder, template);
    }

    /// <inheritdoc/>
    public TemplateWorkingSet RecordWorkingSet(string template, TimeSpan duration, CancellationToken cancellation = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(template);
        GuestReference clone = Start(new GuestOptions { Template = template }, cancellation).Reference;
        try
        {
            LiveGuest found = Find(clone);
            WorkingSetRecorder recorder = new([.. found.Origin!.RamBlocks.Select(block => block.Size)]);
            long began = Stopwatch.GetTimestamp();
            for (TimeSpan next = s_firstLook; ; next *= 2)
            {
                TimeSpan left = (next < duration ? next : duration) - Stopwatch.GetElapsedTime(began);
                if (left > TimeSpan.Zero)
                {
                    cancellation.WaitHandle.WaitOne(left);
                    cancellation.ThrowIfCancellationRequested();
                }

                recorder.Look(found.Touched(cancellation) ?? throw found.StoppedError());
                if (next >= duration)
                {
                    return Write(recorder, found.Origin!);
                }
            }
        }
        finally
        {
            Stop(clone, CancellationToken.None);
            Remove(clone, CancellationToken.None);
        }
    }

    private static TemplateWorkingSet Write(WorkingSetRecorder recorder, GuestTemplate template)
    {
        try
        {
            return recorder.ToSet().Write(template);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            string path = WorkingSet.PathOf(template.Path);
            throw new GuestException(
                GuestErrorIds.WorkingSetUnwritable,
                $"Expected to write the working set of template '{template.Path}' to '{path}', found: {failure.Message}",
                template.Path,
                "Make the folder that the template lies in writable, or start clones without it.",
                failure);
        }
    }
}
