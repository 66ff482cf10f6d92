namespace PsVm.Memory.Options;

/// <summary>What a consumer may attach to (memory-backends rules, section 6). Pure.</summary>
internal static class ConsumerRules
{
    /// <summary>Why the consumer cannot use the backend; null when it can.</summary>
    public static BackendError? Check(string id, MemoryConsumer consumer, BackendDecision decision)
    {
        var hasNamedFile = decision is { Kind: BackendKind.File, IsDirectory: false };
        return consumer switch
        {
            MemoryConsumer.VhostUserDevice => decision.Kind != BackendKind.Anonymous && decision.Options.Share ? null : new(
                MemoryErrorIds.ConsumerNeedsSharedFile,
                $"Backend '{id}' has Kind {decision.Kind} and Share {decision.Options.Share}; "
                    + "a vhost-user device needs Kind File or Memfd and Share True.",
                "Use -Share with a file or memfd."),
            MemoryConsumer.PostCopyDestination => NeedsDiscard(id, "a post-copy destination", decision),
            MemoryConsumer.Balloon => NeedsDiscard(id, "a balloon", decision),
            MemoryConsumer.FreePageReporting => NeedsDiscard(id, "free page reporting", decision),
            MemoryConsumer.Template => hasNamedFile ? null : new(
                MemoryErrorIds.ConsumerNeedsNamedFile,
                $"Backend '{id}' has Kind {decision.Kind} and Path '{decision.Path}'; a template to clone from needs the Path of a regular "
                    + "file.",
                "Use the Path of a file."),
            _ => hasNamedFile && decision.Options.Share ? null : new(
                MemoryErrorIds.ConsumerNeedsNamedFile,
                $"Backend '{id}' has Kind {decision.Kind}, Path '{decision.Path}' and Share {decision.Options.Share}; "
                    + "a snapshot without RAM needs the Path of a regular file and Share True.",
                "Use -Share with the Path of a file."),
        };
    }

    private static BackendError? NeedsDiscard(string id, string consumer, BackendDecision decision)
    {
        var why = decision.DenyPrivateDiscard && decision.MappingKind == MappingKind.PrivateFile
            ? "is a private file mapping under DenyPrivateDiscard"
            : "has DiscardPolicy Deny in force";
        return decision.DiscardPolicy != DiscardPolicy.Deny ? null : new(
            MemoryErrorIds.ConsumerNeedsDiscard,
            $"Backend '{id}' {why}; {consumer} needs memory that may be discarded.",
            "Use Share, another DiscardPolicy, or lift DenyPrivateDiscard.");
    }
}
