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
    private readonly TemplateFiles<DiskLayer> _files = new(template.Disks.Count);

    /// <summary>What was written over a disk, held for the caller.</summary>
    /// <param name="disk">The disk, as the template describes it.</param>
    /// <param name="verify">Read all of it in any case.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <returns>Null: it has no file.</returns>
    /// <exception cref="GuestException">The file is not what was recorded, no such file, or somebody writes to it.</exception>
    public DiskLayer? Hold(TemplateDisk disk, bool verify, CancellationToken cancellation)
    {
        int index = template.Disks.ToList().FindIndex(other => other.Name == disk.Name);
        return index < 0 || template.Disks[index].Written is not { } written
            ? null
            : _files.Hold(index, written, file => Take(file, written, template.Disks[index].Identity.Size), verify, cancellation);
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

    private static DiskLayer Take(SafeFileHandle file, TemplateDiskFile written, long size)
    {
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
