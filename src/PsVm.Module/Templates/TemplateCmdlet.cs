using System.Management.Automation;
using PsVm.Module.Completion;

namespace PsVm.Module.Templates;

/// <summary>The base of cmdlets that act on templates by path.</summary>
public abstract class TemplateCmdlet : TemplatePathCmdlet
{
    /// <summary>Folders of templates, or patterns with *, ? and [ ]; a template object does as well.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [TemplateIdentity]
    [ArgumentCompleter(typeof(TemplatePathCompleter))]
    public string[] Path { get; set; } = [];

    /// <summary>The paths of this input item, for the operating system.</summary>
    private protected IReadOnlyList<string> ResolvedPaths() => TemplatePaths(Path);
}
