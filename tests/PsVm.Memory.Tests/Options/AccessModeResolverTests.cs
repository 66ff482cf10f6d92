using PsVm.Memory.Options;
using PsVm.Memory.Tests.Support;

namespace PsVm.Memory.Tests.Options;

public sealed class AccessModeResolverTests
{
    // What each letter of the table stands for: the mode or the error's id, and the reason.
    private static readonly Dictionary<char, (string Result, string Reason)> Legend = new()
    {
        ['w'] = ("ReadWrite", "shared writable memory stores into the file"),
        ['W'] = ("ReadWrite", "ReadWrite was asked for; shared writable memory stores into the file"),
        ['x'] = ("SharedWritableNeedsWritableFile", "Share with FileAccessMode ReadOnly: a shared writable mapping needs a writable file."),
        ['o'] = ("ReadOnly", "read-only memory never stores into the file"),
        ['O'] = ("ReadOnly", "ReadOnly was asked for; read-only memory never stores into the file"),
        ['y'] = ("ReadOnlyMemoryNeedsNoWritableFile", "ReadOnly with FileAccessMode ReadWrite: read-only memory needs no writable file."),
        ['p'] = ("ReadOnly", "private memory keeps its stores to itself, so the file stays ReadOnly"),
        ['h'] = ("ReadWrite", "private memory on hugetlbfs opens its file ReadWrite, so that pages can be given back"),
        ['m'] = ("ReadWrite", "virt-1.0 opens the file of private writable memory ReadWrite"),
        ['d'] = ("ReadOnly", "DenyPrivateDiscard keeps the file of every private mapping ReadOnly"),
        ['P'] = ("ReadOnly", "ReadOnly was asked for; private memory keeps its stores to itself"),
        ['Q'] = ("ReadWrite", "ReadWrite was asked for"),
        ['z'] = ("PrivateReadWriteDenied",
            "FileAccessMode ReadWrite on private memory: DenyPrivateDiscard keeps the file of every private mapping ReadOnly."),
    };

    private const string Table =
        """
        share  readonly  mode       1.0  1.0/deny  1.1  1.1/deny  huge/1.0  huge/1.0/deny  huge/1.1  huge/1.1/deny
        true   false     Auto       w    w         w    w         w         w              w         w
        true   false     ReadOnly   x    x         x    x         x         x              x         x
        true   false     ReadWrite  W    W         W    W         W         W              W         W
        true   true      Auto       o    o         o    o         o         o              o         o
        true   true      ReadOnly   O    O         O    O         O         O              O         O
        true   true      ReadWrite  y    y         y    y         y         y              y         y
        false  true      Auto       o    o         o    o         o         o              o         o
        false  true      ReadOnly   O    O         O    O         O         O              O         O
        false  true      ReadWrite  y    y         y    y         y         y              y         y
        false  false     Auto       m    d         p    d         m         d              h         d
        false  false     ReadOnly   P    P         P    P         P         P              P         P
        false  false     ReadWrite  Q    z         Q    z         Q         z              Q         z
        """;

    public static TheoryData<bool, bool, FileAccessMode, string, bool, bool, string, string> Cases()
    {
        var cases = new TheoryData<bool, bool, FileAccessMode, string, bool, bool, string, string>();
        var heading = TextTable.Lines(Table).First();
        foreach (var row in TextTable.Rows(Table))
        {
            for (var column = 3; column < row.Length; column++)
            {
                var setting = heading[column].Split('/');
                var machineType = setting.Contains("1.0") ? "virt-1.0" : "virt-1.1";
                var (result, reason) = Legend[row[column][0]];
                cases.Add(
                    bool.Parse(row[0]),
                    bool.Parse(row[1]),
                    Enum.Parse<FileAccessMode>(row[2]),
                    machineType,
                    setting.Contains("huge"),
                    setting.Contains("deny"),
                    result,
                    reason);
            }
        }

        return cases;
    }

    [Fact]
    public void The_table_has_every_case_once()
    {
        var inputs = Cases().Select(c => string.Join(' ', ((object?[])c).Take(6))).ToList();
        Assert.Equal(4 * 3 * 2 * 2 * 2, inputs.Count);
        Assert.Equal(inputs.Count, inputs.Distinct().Count());
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Resolves_as_the_table_says(
        bool share, bool readOnly, FileAccessMode mode, string machineType, bool hugeTlb, bool deny, string result, string reason)
    {
        var options = new MemoryBackendOptions { Share = share, ReadOnly = readOnly, FileAccessMode = mode, MachineType = machineType };
        var resolution = AccessModeResolver.Resolve(options, hugeTlb, deny);
        Assert.Equal(result, resolution.Mode?.ToString() ?? resolution.Error!.Id);
        Assert.Equal(reason, resolution.Reason);
        Assert.NotEqual(resolution.Mode is null, resolution.Error is null);
        Assert.Equal(resolution, AccessModeResolver.Resolve(options, hugeTlb, deny));
    }

    [Theory]
    [InlineData("virt", "virt-1.1")]
    [InlineData("virt-1.1", "virt-1.1")]
    [InlineData("virt-1.0", "virt-1.0")]
    [InlineData("VIRT-1.0", "virt-1.0")]
    [InlineData("", null)]
    public void Machine_types_have_versions_and_one_alias(string name, string? version) =>
        Assert.Equal(version, MachineTypes.Resolve(name));

    [Fact]
    public void An_unknown_machine_type_is_an_error_that_names_the_known_ones()
    {
        var resolution = AccessModeResolver.Resolve(new() { MachineType = "virt-9" }, false, false);
        Assert.Equal(MemoryErrorIds.UnknownMachineType, resolution.Error!.Id);
        Assert.Contains("virt, virt-1.0, virt-1.1, virt-1.2, virt-1.3 or virt-1.4", resolution.Reason, StringComparison.Ordinal);
    }
}
