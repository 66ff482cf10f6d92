namespace PsVm;

/// <summary>The process-wide policy for backends.</summary>
/// <param name="DenyPrivateDiscard">Private file mappings are read-only, create no file and refuse consumers that discard.</param>
/// <param name="Source">Who set it: <c>Default</c>, <c>Environment</c> (PSVM_DENY_PRIVATE_DISCARD) or <c>Cmdlet</c>.</param>
public sealed record MemoryBackendPolicy(bool DenyPrivateDiscard, string Source)
{
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
            ? new(false, "Default")
            : throw new MemoryBackendException(
                MemoryErrorIds.PolicyVariableInvalid,
                $"Expected {Variable} to be 1, true, yes or on, or else 0, false, no, off or empty, found '{variable}'.",
                variable,
                $"Set {Variable} to 1 or 0, and start again.");
    }
}
