namespace PsVm.Memory.Options;

/// <summary>What a consumer may attach to (memory-backends rules, section 6). Pure.</summary>
internal static class ConsumerRules
{
    /// <summary>Why the consumer cannot use the backend; null when it can.</summary>
    public static BackendError? Check(string id, MemoryConsumer consumer, OpenedBackend plan)
    {
        var hasNamedFile = plan is { Kind: BackendKind.File, IsDirectory: false };
        return consumer switch
        {
            MemoryConsumer.VhostUserDevice => plan.Kind != BackendKind.Anonymous && plan.Options.Share ? null : new(
                MemoryErrorIds.ConsumerNeedsSharedFile,
                $"Backend '{id}' has Kind {plan.Kind} and Share {plan.Options.Share}; "
                    + "a vhost-user device needs Kind File or Memfd and Share True.",
                "Use -Share with a file or memfd."),
            MemoryConsumer.PostCopyDestination => NeedsDiscard(id, "a post-copy destination", plan),
            MemoryConsumer.Balloon => NeedsDiscard(id, "a balloon", plan),
            MemoryConsumer.FreePageReporting => NeedsDiscard(id, "free page reporting", plan),
            MemoryConsumer.Template => hasNamedFile ? null : new(
                MemoryErrorIds.ConsumerNeedsNamedFile,
                $"Backend '{id}' has Kind {plan.Kind} and Path '{plan.Path}'; a template to clone from needs the Path of a regular file.",
                "Use the Path of a file."),
            _ => hasNamedFile && plan.Options.Share ? null : new(
                MemoryErrorIds.ConsumerNeedsNamedFile,
                $"Backend '{id}' has Kind {plan.Kind}, Path '{plan.Path}' and Share {plan.Options.Share}; "
                    + "a snapshot without RAM needs the Path of a regular file and Share True.",
                "Use -Share with the Path of a file."),
        };
    }

    private static BackendError? NeedsDiscard(string id, string consumer, OpenedBackend plan)
    {
        var why = plan.DenyPrivateDiscard && plan.MappingKind == MappingKind.PrivateFile
            ? "is a private file mapping under DenyPrivateDiscard"
            : "has DiscardPolicy Deny in force";
        return plan.DiscardPolicy != DiscardPolicy.Deny ? null : new(
            MemoryErrorIds.ConsumerNeedsDiscard,
            $"Backend '{id}' {why}; {consumer} needs memory that may be discarded.",
            "Use Share, another DiscardPolicy, or lift DenyPrivateDiscard.");
    }
}
