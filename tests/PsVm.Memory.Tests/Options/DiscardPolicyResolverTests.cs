namespace PsVm.Memory.Tests.Options;

public sealed class DiscardPolicyResolverTests
{
    private const string Table =
        """
        policy           shared/rw                        shared/ro                        private/rw       private/ro                  private/rw/deny  private/ro/deny             anonymous
        Auto             PunchHole                        Deny                             ZeroOverlay      ZeroOverlay                 Deny             Deny                        Auto
        Deny             Deny                             Deny                             Deny             Deny                        Deny             Deny                        Deny
        ZeroOverlay      DiscardPolicyNeedsPrivateMapping DiscardPolicyNeedsPrivateMapping ZeroOverlay      ZeroOverlay                 Deny!            Deny!                       Auto
        RestoreTemplate  DiscardPolicyNeedsPrivateMapping DiscardPolicyNeedsPrivateMapping RestoreTemplate  RestoreTemplate             Deny!            Deny!                       RestoreTemplateNeedsFile
        PunchHole        PunchHole                        PunchHoleNeedsWritableFile       PunchHole!       PunchHoleNeedsWritableFile  Deny!            PunchHoleNeedsWritableFile  Auto
        """;

    public static TheoryData<string, string, string> Cases()
    {
        var cases = new TheoryData<string, string, string>();
        var lines = Table.Split('\n').Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries)).ToList();
        foreach (var cells in lines.Skip(1))
        {
            for (var column = 1; column < cells.Length; column++)
            {
                cases.Add(cells[0], lines[0][column], cells[column]);
            }
        }

        return cases;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Resolves_as_the_table_says(string policy, string mapping, string result)
    {
        var kind = mapping[0] switch { 's' => MappingKind.Shared, 'p' => MappingKind.PrivateFile, _ => MappingKind.Anonymous };
        var mode = mapping.Contains("/ro", StringComparison.Ordinal) ? FileAccessMode.ReadOnly : FileAccessMode.ReadWrite;
        var deny = mapping.Contains("/deny", StringComparison.Ordinal);
        var resolution = DiscardPolicyResolver.Resolve(Enum.Parse<DiscardPolicy>(policy), kind, mode, deny);
        var warned = resolution.Warning is null ? string.Empty : "!";
        Assert.Equal(result, (resolution.Policy?.ToString() ?? resolution.Error!.Id) + warned);
    }
}
