namespace PsVm;

/// <summary>The process-wide policy for backends.</summary>
/// <param name="DenyPrivateDiscard">Private file mappings are read-only, create no file and refuse consumers that discard.</param>
/// <param name="Source">Who set it: <c>Default</c>, <c>Environment</c> (PSVM_DENY_PRIVATE_DISCARD) or <c>Cmdlet</c>.</param>
public sealed record MemoryBackendPolicy(bool DenyPrivateDiscard, string Source)
{
    /// <summary><see cref="Source"/> of what nobody has set.</summary>
    public const string NotSet = "Default";

    /// <summary>
    /// Bytes of the host's memory, or of the control group that has least left, that guests must leave: who grows when there is less is
    /// suspended or stopped. 0: nobody is. When nobody has set it, a 32nd of what there is in all, at most 512 MiB.
    /// </summary>
    public long MemoryReserve { get; init; }

    /// <summary>Who set <see cref="MemoryReserve"/>: <c>Default</c> or <c>Cmdlet</c>.</summary>
    public string MemoryReserveSource { get; init; } = NotSet;

    /// <summary>Environment variable that denies discards of private file memory.</summary>
    public const string Variable = "PSVM_DENY_PRIVATE_DISCARD";

    /// <summary><see cref="Source"/> of a policy that was set in this process.</summary>
    public const string SetByCmdlet = "Cmdlet";

    private static readonly string[] s_yes = ["1", "true", "yes", "on"];
    private static readonly string[] s_no = ["", "0", "false", "no", "off"];

    /// <summary>The policy that the environment sets.</summary>
    /// <param name="variable">What <see cref="Variable"/> holds; null: it is not set. Case and blanks around it do not count.</param>
    /// <exception cref="MemoryBackendException">It is neither a yes nor a no (PolicyVariableInvalid).</exception>
    public static MemoryBackendPolicy FromVariable(string? variable)
    {
        string word = variable?.Trim() ?? string.Empty;
        if (s_yes.Contains(word, StringComparer.OrdinalIgnoreCase))
        {
            return new(true, "Environment");
        }

        return s_no.Contains(word, StringComparer.OrdinalIgnoreCase)
            ? new(false, NotSet)
            : throw new MemoryBackendException(
                MemoryErrorIds.PolicyVariableInvalid,
                $"Expected {Variable} to be 1, true, yes or on, or else 0, false, no, off or empty, found '{variable}'.",
                variable,
                $"Set {Variable} to 1 or 0, and start again.");
    }
}
