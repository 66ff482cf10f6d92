namespace PsVm.Riscv;

/// <summary>Why a hart left translated code since it was made, in numbers of times.</summary>
public sealed record HartCodeExits
{
    /// <summary>A slice of instructions was over, or something wanted attention: an interrupt, a fence, a request to leave.</summary>
    public long Limit { get; init; }

    /// <summary>A jump went to an address that the jump table did not know.</summary>
    public long UnknownTarget { get; init; }

    /// <summary>A jump went to a block that had no translation.</summary>
    public long NotTranslated { get; init; }

    /// <summary>An instruction failed.</summary>
    public long Fault { get; init; }

    /// <summary>The interpreter had to go on within a block: WFI, or floating point that is off.</summary>
    public long Interpreted { get; init; }

    /// <summary>System instructions, for which the interpreter is called.</summary>
    public long SystemInstructions { get; init; }

    /// <summary>Block starts that neither the jump table nor the index of a known page had, from both tiers.</summary>
    public long Lookups { get; init; }

    /// <summary>These and others, or these without others, of a time before.</summary>
    internal HartCodeExits Add(HartCodeExits others, int times = 1) => new()
    {
        Limit = Limit + (times * others.Limit),
        UnknownTarget = UnknownTarget + (times * others.UnknownTarget),
        NotTranslated = NotTranslated + (times * others.NotTranslated),
        Fault = Fault + (times * others.Fault),
        Interpreted = Interpreted + (times * others.Interpreted),
        SystemInstructions = SystemInstructions + (times * others.SystemInstructions),
        Lookups = Lookups + (times * others.Lookups),
    };
}
