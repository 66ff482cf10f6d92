using PsVm.Module.Output;

namespace PsVm.Module.Hosting;

/// <summary>
/// What stands in the first two positions of a cmdlet that acts on things with one more thing to say. Both <c>Checkpoint-Guest web ./t</c>
/// and <c>$guest | Checkpoint-Guest ./t</c> are what people write. PowerShell gives the first position to the things before it knows of a
/// pipeline, so what stands there moves on to the argument when things come through the pipeline.
/// </summary>
/// <typeparam name="T">What says which thing.</typeparam>
internal sealed record PipedArgument<T>
{
    /// <summary>Name of the cmdlet.</summary>
    public required string Cmdlet { get; init; }

    /// <summary>What the things are, with an article.</summary>
    public required string Thing { get; init; }

    /// <summary>The parameter of the first position.</summary>
    public required string ThingName { get; init; }

    /// <summary>It stood on the command line.</summary>
    public required bool IsNamed { get; init; }

    /// <summary>What it holds.</summary>
    public required T[] Named { get; init; }

    /// <summary>What came through the pipeline.</summary>
    public required T[] Piped { get; init; }

    /// <summary>What a thing was given as.</summary>
    public required Func<T, string> Text { get; init; }

    /// <summary>The parameter of the second position.</summary>
    public required string ArgumentName { get; init; }

    /// <summary>It was given.</summary>
    public required bool IsGiven { get; init; }

    /// <summary>What it holds.</summary>
    public required string[] Argument { get; init; }

    /// <summary>The cmdlet can do without.</summary>
    public bool IsOptional { get; init; }

    /// <summary>Id of the error when both pipeline and command line say things.</summary>
    public required string TwiceId { get; init; }

    /// <summary>Things and argument of this input item.</summary>
    /// <exception cref="CmdletException">Things or argument are missing, or both pipeline and command line say things.</exception>
    public (T[] Things, string[] Argument) Bind()
    {
        bool isPiped = Piped.Length > 0;
        if (isPiped && IsNamed && !IsGiven)
        {
            return (Piped, [.. Named.Select(Text)]);
        }

        if (isPiped && IsNamed)
        {
            throw new CmdletException(
                TwiceId,
                $"Expected {Thing} from the pipeline or by -{ThingName}, found both: '{Piped[0]}' and '{Named[0]}'.",
                $"{Piped[0]}",
                "Leave one out.");
        }

        if (!isPiped && !IsNamed)
        {
            throw Missing($"Expected {Thing} for {Cmdlet}, found no -{ThingName}.", Usage);
        }

        if (!IsGiven && !IsOptional)
        {
            throw Missing(
                $"Expected -{ArgumentName} for {Cmdlet}, found only {Thing}: '{(isPiped ? Piped : Named)[0]}'.",
                isPiped ? $"Write ... | {Cmdlet} {ArgumentName.ToUpperInvariant()}." : Usage);
        }

        return (isPiped ? Piped : Named, Argument);
    }

    private string Usage =>
        $"Write {Cmdlet} {ThingName.ToUpperInvariant()} {ArgumentName.ToUpperInvariant()}, or pipe {Thing[(Thing.IndexOf(' ') + 1)..]}s "
            + "into it.";

    private static CmdletException Missing(string message, string action) => new(ModuleErrorIds.ArgumentMissing, message, null, action);
}
