namespace PsVm.Module.Completion;

/// <summary>Completes the values of an enumeration, and says what each does to the file and the memory.</summary>
/// <typeparam name="T">The enumeration.</typeparam>
/// <remarks>Source: memory-backends rules, sections 1, 2 and 5; mbind(2).</remarks>
internal sealed class EnumCompleter<T> : ValueCompleter
    where T : struct, Enum
{
    /// <inheritdoc/>
    private protected override IEnumerable<Choice> Choices(string start) =>
        Enum.GetValues<T>().Select(value => new Choice($"{value}", Effect(value)));

    private static string Effect(T value) => value switch
    {
        FileAccessMode.Auto =>
            "decided from Share, ReadOnly, file system, machine type and policy; Test-BackendOptions -Detailed says how and why",
        FileAccessMode.ReadOnly => "opened O_RDONLY: the file cannot be changed, created, grown or punched",
        FileAccessMode.ReadWrite =>
            "opened O_RDWR: a missing file is created, an empty one grown; with -Share the guest's stores change it",
        DiscardPolicy.Auto =>
            "shared memory: as PunchHole; private memory of a file: as ZeroOverlay; anonymous memory: the pages are dropped",
        DiscardPolicy.Deny => "every discard is refused; the file and the memory stay as they are",
        DiscardPolicy.ZeroOverlay => "the guest reads zero and the memory is freed; the file stays as it is",
        DiscardPolicy.RestoreTemplate => "the guest reads the file's content again; the file stays as it is",
        DiscardPolicy.PunchHole => "the file loses the range: everybody who uses it reads zero there",
        NumaPolicy.Default => "pages lie where the process's policy puts them",
        NumaPolicy.Bind => "pages lie on the nodes of -HostNodes only",
        NumaPolicy.Preferred => "pages lie on the node of -HostNodes, on others when it is full",
        NumaPolicy.Interleave => "pages lie on the nodes of -HostNodes in turn",
        BackendKind.File => "a file at -Path, or an unnamed one in a folder there",
        BackendKind.Memfd => "an unnamed file in memory, which can be passed to other processes",
        BackendKind.Anonymous => "memory of this process, without a file",
        OwnMemoryAction.Suspend => "the guest is held and keeps its memory; Resume-Guest lets it go on once there is room",
        OwnMemoryAction.Stop => "the guest is powered off at once, which frees its memory",
        _ => throw new NotSupportedException($"{typeof(T).Name}.{value} says nothing of itself"),
    };
}
