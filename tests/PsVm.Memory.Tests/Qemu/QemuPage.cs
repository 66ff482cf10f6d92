using System.Text;
using PsVm.Memory.Options;

namespace PsVm.Memory.Tests.Qemu;

/// <summary>A row of the decision table: what is asked for, what is decided here, the same in QEMU's words, and what QEMU does.</summary>
internal sealed record QemuRow(bool Share, bool ReadOnly, FileAccessMode Mode, bool HugeTlb)
{
    // What QEMU 10.0 answered to each: how the file is open and mapped, or why not. QemuProcessTests asks it again where there is one.
    private static readonly Dictionary<string, string> s_answers = new()
    {
        ["share=on,readonly=off,rom=off"] = "O_RDWR, rw-s",
        ["share=on,readonly=on,rom=off"] = "property 'rom' = 'off' is incompatible with 'readonly' = 'on' and 'share' = 'on'",
        ["share=on,readonly=on,rom=on"] = "O_RDONLY, r--s",
        ["share=on,readonly=off,rom=on"] = "property 'rom' = 'on' is not supported with 'readonly' = 'off'",
        ["share=off,readonly=on,rom=on"] = "O_RDONLY, r--p",
        ["share=off,readonly=off,rom=on"] = "property 'rom' = 'on' is not supported with 'readonly' = 'off'",
        ["share=off,readonly=on,rom=off"] = "O_RDONLY, rw-p",
        ["share=off,readonly=off,rom=off"] = "O_RDWR, rw-p",
    };

    public static IEnumerable<QemuRow> All =>
        from hugeTlb in new[] { false, true }
        from share in new[] { true, false }
        from readOnly in share ? new[] { false, true } : [true, false]
        from mode in Enum.GetValues<FileAccessMode>()
        select new QemuRow(share, readOnly, mode, hugeTlb);

    public MemoryBackendOptions Options => new() { Id = "m", Share = Share, ReadOnly = ReadOnly, FileAccessMode = Mode };

    public AccessModeResolution Decision => AccessModeResolver.Resolve(Options, HugeTlb, denyPrivateDiscard: false);

    /// <summary>The mode, or the error's id.</summary>
    public string Decided => Decision.Mode?.ToString() ?? Decision.Error!.Id;

    /// <summary>QEMU's words for the same wish, be it possible or not.</summary>
    public string Argument =>
        $"share={OnOff(Share)},readonly={OnOff((Decision.Mode ?? Mode) == FileAccessMode.ReadOnly)},rom={OnOff(ReadOnly)}";

    /// <summary>What QEMU does.</summary>
    public string Answer => s_answers[Argument];

    private static string OnOff(bool value) => value ? "on" : "off";
}

/// <summary>docs/qemu.md, made of what the code says.</summary>
internal static class QemuPage
{
    public static string Make()
    {
        StringBuilder page = new();
        page.Append(
            """
            # PsVm and QEMU

            Made by the test `QemuPageTests` of what the code says (`PSVM_UPDATE_DOCS=1 dotnet test tests/PsVm.Memory.Tests --filter QemuPage`).
            `ConvertTo-QemuArgument` says a backend in QEMU's words, `ConvertFrom-QemuArgument` reads a command line of QEMU.

            ## The decision table

            What is asked for, what PsVm decides, the same as properties of QEMU's `memory-backend-file`, and what QEMU 10.0 does with them: how its
            file is open and mapped (/proc/PID/fdinfo and maps), or why it refuses. Where there is a QEMU (`qemu-system-riscv64` on the PATH, or the
            environment variable `PSVM_QEMU`), `QemuProcessTests` asks it again, and compares open and mapping flags with PsVm's own.
            QEMU older than 8.2 has no `rom`: there private writable memory over a file that is open ReadOnly cannot be said.

            | file | Share | ReadOnly | FileAccessMode | PsVm | QEMU argument | QEMU's answer |
            |---|---|---|---|---|---|---|

            """);
        foreach (QemuRow row in QemuRow.All)
        {
            page.Append('|');
            string[] cells =
            [
                row.HugeTlb ? "hugetlbfs" : "regular", YesNo(row.Share), YesNo(row.ReadOnly), row.Mode.ToString(),
                row.Decision.Error is null ? row.Decided : $"error {row.Decided}", $"`{row.Argument}`",
                row.Decision.Error is null ? row.Answer : $"error: {row.Answer}",
            ];
            foreach (string cell in cells)
            {
                page.Append($" {cell} |");
            }

            page.Append('\n');
        }

        page.Append(
            """

            A machine of QEMU does not start on RAM that is ROM, so guests on such RAM are refused by `ConvertTo-QemuArgument`; the backend alone is not.

            ## Properties of QEMU's memory backends

            | property | file | memfd | ram | since | here |
            |---|---|---|---|---|---|

            """);
        foreach (QemuProperty property in QemuProperty.All)
        {
            string kinds = string.Join(" | ", new[] { BackendKind.File, BackendKind.Memfd, BackendKind.Anonymous }
                .Select(kind => YesNo(property.Kinds.Contains(kind))));
            page.Append($"| {property.Name} | {kinds} | {property.Since} | {property.Here} |\n");
        }

        page.Append(
            """

            ## Options of PsVm that QEMU has no word for

            | option | in QEMU |
            |---|---|
            | DiscardPolicy Auto | nothing to say. QEMU punches holes into a file that is open for writing, private mappings included, refuses discards of one that is open ReadOnly, and drops pages of anonymous memory; PsVm lays zeros over private mappings |
            | DiscardPolicy Deny | `readonly=on` does it; else refused |
            | DiscardPolicy ZeroOverlay | dropping pages of anonymous memory does it; else refused |
            | DiscardPolicy RestoreTemplate | refused |
            | DiscardPolicy PunchHole | what QEMU does with a file that is open for writing |
            | Prealloc | refused for ROM, on which QEMU 10.0 ends by a fault; for private mappings without ForcePrealloc, which PsVm reads in and QEMU copies; together with Reserve off |
            | Align | `align` of files; more than a page refused for memfds and anonymous memory |
            | Reserve off on hugetlbfs | not written: huge pages stay reserved |
            | MachineType, DenyPrivateDiscard, AllowPrivateDiscard | nothing to say: they are in the mode that was decided |
            | AllowSharedWriters | nothing to say: QEMU takes no lock on the file, so nothing keeps two from writing it |

            """);
        return page.ToString();
    }

    private static string YesNo(bool value) => value ? "yes" : "no";
}

public sealed class QemuPageTests
{
    private const string Update = "PSVM_UPDATE_DOCS";

    [Fact]
    public void The_page_says_what_the_code_says()
    {
        string path = Path.Combine(PsVm.Tests.Repository.Path, "docs", "qemu.md");
        if (Environment.GetEnvironmentVariable(Update) == "1")
        {
            File.WriteAllText(path, QemuPage.Make());
        }

        Assert.Equal(QemuPage.Make(), File.ReadAllText(path));
    }

    [Fact]
    public void QEMU_refuses_exactly_where_the_table_does() => Assert.All(
        QemuRow.All, row => Assert.Equal(row.Decision.Error is not null, !row.Answer.StartsWith("O_", StringComparison.Ordinal)));
}
