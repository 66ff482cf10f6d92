using System.Management.Automation;
using PsVm.Module.Hosting;

namespace PsVm.Module.Templates;

/// <summary>Moves templates: they get another name, or, on another file system, are copied, compared and removed.</summary>
[Cmdlet(VerbsCommon.Move, "GuestTemplate", SupportsShouldProcess = true)]
[OutputType(typeof(GuestTemplate), typeof(GuestJob))]
public sealed class MoveGuestTemplateCommand : CopyTemplateCmdlet
{
    internal static readonly CopyingWork Moving = new(
        "Move",
        "Moving",
        true,
        (templates, path, options) => templates.CheckMove(path, options),
        (templates, path, options, progress, cancellation) => templates.Move(path, options, progress, cancellation));

    private protected override CopyingWork Work => Moving;
}
