namespace PsVm;

/// <summary>The process-wide policy for backends.</summary>
/// <param name="DenyPrivateDiscard">Private file mappings are read-only, create no file and refuse consumers that discard.</param>
/// <param name="Source">Who set it: <c>Default</c>, <c>Environment</c> (PSVM_DENY_PRIVATE_DISCARD) or <c>Cmdlet</c>.</param>
public sealed record MemoryBackendPolicy(bool DenyPrivateDiscard, string Source);
