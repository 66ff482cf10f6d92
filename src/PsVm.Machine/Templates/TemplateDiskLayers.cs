using Microsoft.Win32.SafeHandles;
using PsVm.Machine.Devices.Disks;
using PsVm.Machine.State;
using PsVm.Memory;
using PsVm.Memory.Files;

namespace PsVm.Machine.Templates;

/// <summary>What was written over a template's disks, open once for all clones. Safe from any thread.</summary>
/// <param name="template">The template.</param>
internal sealed class TemplateDiskLayers(GuestTemplate template)
{
    private static readonly TimeSpan s_patience = TimeSpan.FromMilliseconds(50);

    private readonly object _gate = new();
    private readonly DiskLayer?[] _open = new DiskLayer?[template.Disks.Count];

    /// <summary>What was written over a disk, held for the caller.</summary>
    /// <param name="disk">The disk, as the template describes it.</param>
    /// <param name="verify">Read all of it in any case.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <returns>Null: it has no file.</returns>
    /// <exception cref="GuestException">The file is not what was recorded, no such file, or somebody writes to it.</exception>
    public DiskLayer? Hold(TemplateDisk disk, bool verify, CancellationToken cancellation)
    {
        int index = template.Disks.ToList().FindIndex(other => other.Name == disk.Name);
        if (index < 0 || template.Disks[index].Written is not { } written)
        {
            return null;
        }

        while (!Monitor.TryEnter(_gate, s_patience))
        {
            cancellation.ThrowIfCancellationRequested(); // whoever has it may be reading all of a copy
        }

        try
        {
            if (_open[index] is { } open && open.TryHold())
            {
                if (!verify && open.Identity is { } now && RamFileCheck.IsKnown(written, now))
                {
                    return open;
                }

                open.Dispose();
            }

            return _open[index] = Open(written, template.Disks[index].Identity.Size, verify, cancellation);
        }
        finally
        {
            Monitor.Exit(_gate);
        }
    }

    /// <summary>Finds out what a start would find out about all of them.</summary>
    /// <exception cref="GuestException">One is not what was recorded.</exception>
    public void Check(bool verify, CancellationToken cancellation)
    {
        foreach (TemplateDisk disk in template.Disks)
        {
            Hold(disk, verify, cancellation)?.Dispose();
        }
    }

    private static DiskLayer Open(TemplateDiskFile written, long size, bool verify, CancellationToken cancellation)
    {
        SafeFileHandle file = RamFileCheck.Open(written, written.File);
        try
        {
            RamFileCheck.CheckContent(written, written.File, file, verify, cancellation);
        }
        catch
        {
            file.Dispose();
            throw;
        }

        DiskFile taken = DiskFile.Take(file, written.File);
        try
        {
            return DiskLayer.Open(taken, size, written.Bytes);
        }
        catch (Exception failure)
        {
            taken.Dispose();
            throw failure switch
            {
                InvalidDataException => StateFile.Corrupt(written.File, "what was written over a disk", failure.Message, failure),
                IOException => TemplateErrors.Unreadable(written.File, failure),
                _ => failure,
            };
        }
    }
}
