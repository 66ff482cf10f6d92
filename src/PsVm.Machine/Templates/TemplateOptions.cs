namespace PsVm.Machine.Templates;

/// <summary>What may be asked for together with a template.</summary>
internal static class TemplateOptions
{
    /// <summary>Opens the template that a guest should start from, and checks the other options against it.</summary>
    /// <param name="options">The options.</param>
    /// <param name="generation">Which template was at that path just now.</param>
    /// <exception cref="GuestException">They do not go with a template, or with this one.</exception>
    public static TemplateSource Open(GuestOptions options, TemplateGeneration generation)
    {
        string? alien = options switch
        {
            { Kernel: not null } => nameof(options.Kernel),
            { Initrd: not null } => nameof(options.Initrd),
            { Firmware: not null } => nameof(options.Firmware),
            { CommandLine: not null } => nameof(options.CommandLine),
            { BackendIds.Count: > 0 } => "backends",
            { MemoryPath: not null, Lazy: true } => $"{nameof(options.MemoryPath)} with {nameof(options.Lazy)}",
            { MemoryPath: not null, Verify: false } => $"{nameof(options.MemoryPath)} without {nameof(options.Verify)}",
            _ => null,
        };
        if (alien is not null)
        {
            throw Conflict(options, alien);
        }

        TemplateSource source = TemplateSource.Open(options.Template!, generation);
        GuestTemplate template = source.Template;
        if (options.Harts is int harts && harts != template.Harts)
        {
            throw new GuestException(
                GuestErrorIds.TemplateHartsMismatch,
                $"Expected {harts} harts, found that template '{template.Path}' has {template.Harts}.",
                template.Path,
                "Leave the number of harts to the template.");
        }

        if (options.Memory != 0 && options.Memory != template.Memory)
        {
            throw new GuestException(
                GuestErrorIds.TemplateMemoryMismatch,
                $"Expected {ByteSize.ToExactText(options.Memory)} of RAM, found that template '{template.Path}' has "
                    + $"{ByteSize.ToExactText(template.Memory)}.",
                template.Path,
                "Leave the size of the RAM to the template.");
        }

        if (options.MemoryPath is not null && (template.Differential || template.RamBlocks.Count > 1))
        {
            throw Conflict(options, $"{nameof(options.MemoryPath)} for RAM in several files");
        }

        if (options.DiscardPolicy == DiscardPolicy.PunchHole)
        {
            throw new GuestException(
                GuestErrorIds.TemplateDiscardPolicy,
                $"Expected a discard policy that leaves template '{template.Path}' as it is, found {options.DiscardPolicy}.",
                template.Path,
                "Use ZeroOverlay or RestoreTemplate.");
        }

        return source;
    }

    private static GuestException Conflict(GuestOptions options, string alien) => new(
        GuestErrorIds.TemplateOptionConflict,
        $"Expected a template and nothing that it does not go with, found '{options.Template}' and {alien}.",
        options.Template,
        "Leave out one of the two.");
}
