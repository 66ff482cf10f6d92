using System.Management.Automation;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Templates;

/// <summary>The base of cmdlets that take paths of templates, or patterns of such.</summary>
public abstract class TemplatePathCmdlet : PsVmCmdlet
{
    /// <summary>Paths and argument of this input item.</summary>
    /// <param name="thing">What a path is of, for errors.</param>
    /// <param name="pathName">Name of the paths' parameter.</param>
    /// <param name="named">What it holds.</param>
    /// <param name="piped">Paths from the pipeline.</param>
    /// <param name="argumentName">Name of the argument's parameter.</param>
    /// <param name="argument">What it holds.</param>
    /// <param name="isOptional">The argument may be left out.</param>
    /// <exception cref="CmdletException">Paths or argument are missing, or both pipeline and command line name paths.</exception>
    private protected (string[] Paths, string Argument) Bind(
        string thing, string pathName, string[] named, string[] piped, string argumentName, string argument, bool isOptional = false)
    {
        (string[] paths, string[] bound) = new PipedArgument<string>
        {
            Cmdlet = MyInvocation.MyCommand.Name,
            Thing = thing,
            ThingName = pathName,
            IsNamed = IsOnCommandLine(pathName),
            Named = named,
            Piped = piped,
            Text = path => path,
            ArgumentName = argumentName,
            IsGiven = IsGiven(argumentName),
            Argument = [argument],
            IsOptional = isOptional,
            TwiceId = ModuleErrorIds.TemplateGivenTwice,
        }.Bind();
        return (paths, bound[0]);
    }

    /// <summary>
    /// The paths as the operating system knows them. A pattern stands for the templates it matches, of which there may be none.
    /// </summary>
    /// <remarks>What is there under the very name is meant, so that <c>[x] y</c> is found; else brackets and stars are wildcards.</remarks>
    private protected IReadOnlyList<string> TemplatePaths(IEnumerable<string> given) => Paths(given, ModuleServices.Templates.Exists);

    /// <summary>As the other, of something else than templates.</summary>
    /// <param name="given">Paths, or patterns of such.</param>
    /// <param name="matches">Whether a pattern that a path matches means it.</param>
    private protected IReadOnlyList<string> Paths(IEnumerable<string> given, Func<string, bool> matches)
    {
        List<string> paths = [];
        foreach (string path in given)
        {
            string literal = ResolvePath(path)!;
            if (System.IO.Path.Exists(literal) || !WildcardPattern.ContainsWildcardCharacters(path))
            {
                paths.Add(literal);
            }
            else
            {
                paths.AddRange(ExpandPath(path).Where(matches).Order(StringComparer.Ordinal));
            }
        }

        return paths;
    }
}
