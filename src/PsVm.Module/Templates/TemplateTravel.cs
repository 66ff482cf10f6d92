using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Templates;

/// <summary>What cmdlets that copy, move, pack and unpack templates have in common.</summary>
internal static class TemplateTravel
{
    /// <summary>Does something slow with each path: asks, shows how far it is, and gives what comes of it.</summary>
    /// <param name="paths">The paths.</param>
    /// <param name="action">What is about to happen to one; what is wrong with it is thrown.</param>
    /// <param name="activity">What is being done to one.</param>
    /// <param name="work">Does it.</param>
    /// <param name="output">Where it is asked, shown and given.</param>
    /// <param name="cancellation">Gives up.</param>
    public static void ForEach(
        IEnumerable<string> paths,
        Func<string, string> action,
        Func<string, string> activity,
        Func<string, IProgress<StepProgress>, object> work,
        ICmdletOutput output,
        CancellationToken cancellation) =>
        CmdletWorks.ForEach(paths, output, path =>
        {
            // Who is told what will happen is told what is wrong with it, too.
            if (output.Confirmation == Confirmation.None || output.ShouldProcess(action(path)))
            {
                LatestStep step = new();
                using ProgressTicker progress = new(output, elapsed => step.At(activity(path), elapsed));
                output.WriteObject(work(path, step));
            }
        }, cancellation);

    /// <summary>Checks that several templates do not come to one place, each but the last for nothing.</summary>
    /// <param name="paths">Their paths.</param>
    /// <param name="destination">The folder that they come to.</param>
    /// <exception cref="CmdletException">They would.</exception>
    public static void CheckNames(IEnumerable<string> paths, string destination)
    {
        foreach (IGrouping<string, string> name in paths.GroupBy(path => Path.GetFileName(Path.TrimEndingDirectorySeparator(path))))
        {
            if (name.Count() > 1)
            {
                throw new CmdletException(
                    ModuleErrorIds.TemplatePathRepeated,
                    $"Expected templates of different names for '{destination}', found "
                        + $"{string.Join(", ", name.Select(path => $"'{path}'"))}.",
                    destination,
                    "Give each a destination of its own.");
            }
        }
    }
}
