using System.Management.Automation;
using PsVm.Module.Hosting;

namespace PsVm.Module.Templates;

/// <summary>Copies templates: by reference where the file system can, else without their holes.</summary>
[Cmdlet(VerbsCommon.Copy, "GuestTemplate", SupportsShouldProcess = true)]
[OutputType(typeof(GuestTemplate), typeof(GuestJob))]
public sealed class CopyGuestTemplateCommand : CopyTemplateCmdlet
{
    internal static readonly CopyingWork Copying = new(
        "Copy",
        "Copying",
        false,
        (templates, path, options) => templates.CheckCopy(path, options),
        (templates, path, options, progress, cancellation) => templates.Copy(path, options, progress, cancellation));

    private protected override CopyingWork Work => Copying;
}
