using PsVm.Memory.Options;
using PsVm.Memory.Tests.Support;

namespace PsVm.Memory.Tests.Options;

public sealed class DiscardPolicyResolverTests
{
    // A ! stands for a warning.
    private const string Table =
        """
        mapping          Auto         Deny  ZeroOverlay                       RestoreTemplate                   PunchHole
        shared/rw        PunchHole    Deny  DiscardPolicyNeedsPrivateMapping  DiscardPolicyNeedsPrivateMapping  PunchHole
        shared/ro        Deny         Deny  DiscardPolicyNeedsPrivateMapping  DiscardPolicyNeedsPrivateMapping  PunchHoleNeedsWritableFile
        private/rw       ZeroOverlay  Deny  ZeroOverlay                       RestoreTemplate                   PunchHole!
        private/ro       ZeroOverlay  Deny  ZeroOverlay                       RestoreTemplate                   PunchHoleNeedsWritableFile
        private/rw/deny  Deny         Deny  Deny!                             Deny!                             Deny!
        private/ro/deny  Deny         Deny  Deny!                             Deny!                             PunchHoleNeedsWritableFile
        anonymous        Auto         Deny  Auto                              RestoreTemplateNeedsFile          Auto
        """;

    public static TheoryData<string, string, string> Cases() => TextTable.Cells(Table);

    [Theory]
    [MemberData(nameof(Cases))]
    public void Resolves_as_the_table_says(string mapping, string policy, string result)
    {
        var kind = mapping[0] switch { 's' => MappingKind.Shared, 'p' => MappingKind.PrivateFile, _ => MappingKind.Anonymous };
        var mode = mapping.Contains("/ro", StringComparison.Ordinal) ? FileAccessMode.ReadOnly : FileAccessMode.ReadWrite;
        var deny = mapping.Contains("/deny", StringComparison.Ordinal);
        var resolution = DiscardPolicyResolver.Resolve(Enum.Parse<DiscardPolicy>(policy), kind, mode, deny);
        var warned = resolution.Warning is null ? string.Empty : "!";
        Assert.Equal(result, (resolution.Policy?.ToString() ?? resolution.Error!.Id) + warned);
    }
}
