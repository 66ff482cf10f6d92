using System.Management.Automation;
using PsVm.Module.Completion;
using PsVm.Module.Hosting;

namespace PsVm.Module.Templates;

/// <summary>The base of cmdlets that act on templates by path.</summary>
public abstract class TemplateCmdlet : PsVmCmdlet
{
    /// <summary>Folders of templates; a template object does as well.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    [Identity("Path")]
    public string[] Path { get; set; } = [];

    /// <summary>The paths of this input item, for the operating system.</summary>
    private protected string[] ResolvedPaths() => [.. Path.Select(path => ResolvePath(path)!)];
}
