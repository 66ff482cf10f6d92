using System.Text;
using System.Text.Json.Nodes;
using PsVm.Machine.Templates;
using PsVm.Riscv.Tests;

namespace PsVm.Fuzz.Targets;

/// <summary>
/// Descriptions of templates that were altered, as JSON and as bytes: they are refused as documented, or stand for a template whose
/// numbers fit together and which is read back as the same. Now and then as files: whether they test as valid is whether guests start.
/// </summary>
internal sealed class ManifestTarget : FuzzTarget
{
    private const string Folder = "/templates/one";
    private const int CasesPerFile = 100;

    private static readonly string[] s_values =
    [
        "null", "true", "[]", "{}", "[null]", "\"\"", "-1", "0", "1", "4096", "4097", "9223372036854775807", "-9223372036854775808",
        "18446744073709551615", "18446744073709551616", "1e400", "1e3", "1.5", "\"..\"", "\"../ram0.bin\"", "\"../../etc/passwd\"",
        "\"/dev/zero\"", "\"/dev/null\"", "\"/proc/self/mem\"", "\"a/b\"", "\".\"", "\"state.bin\"", "\"template.json\"", "\"ram0.bin\"",
        "\"\\u0000\"", "\"\\ud800\"", "\"2020-01-01\"", "\"virt-9.9\"", "\"virt\"", "\"rv64imafdc\"", "[\"uart\",\"uart\"]", "[[[[]]]]",
        "\"00000000-0000-0000-0000-000000000000\"", "4194304", "\"~\"", "\"\\u001b]0;x\\u0007\"",
    ];

    private static readonly string s_deep = new string('[', 5_000) + new string(']', 5_000);

    private static readonly byte[][] s_seeds =
    [
        Seed(differential: false, blocks: 1), Seed(differential: true, blocks: 2),
        Seed(differential: false, blocks: 1, "disk:root", "balloon"),
    ];

    private readonly Lazy<TemplateFiles> _files = new(() => new TemplateFiles());

    public override void Run(Dice dice)
    {
        if (dice.OneIn(CasesPerFile))
        {
            ReplacedTemplate whole = _files.Value.Replaced[dice.Next(_files.Value.Replaced.Count)];
            _files.Value.CheckAgreement(whole, Alter(dice, whole.Manifest), whole.State, verify: dice.OneIn(4));
            return;
        }

        byte[] altered = Alter(dice, dice.Pick<byte[]>(s_seeds));
        GuestTemplate? template = null;
        if (Try(() => template = TemplateManifest.Read("template.json", altered).ToTemplate(Folder)) is not null)
        {
            return;
        }

        WrongException.ThrowIfNot(
            template!.Memory > 0 && template.Memory == template.RamBlocks.Aggregate(0L, (sum, block) => checked(sum + block.Size)),
            $"{template.Memory} bytes in {template.RamBlocks.Count} blocks");
        WrongException.ThrowIfNot(
            template.RamBlocks.All(block => block.Offset >= 0 && block.Offset + block.Size > block.Offset),
            "a block that ends before it begins");
        byte[] written = TemplateManifest.From(template).ToJson();
        byte[] again = TemplateManifest.From(TemplateManifest.Read("template.json", written).ToTemplate(Folder)).ToJson();
        WrongException.ThrowIfNot(written.AsSpan().SequenceEqual(again), "a description is another one when it was read again");
    }

    public override void Dispose()
    {
        if (_files.IsValueCreated)
        {
            _files.Value.Dispose();
        }
    }

    private static byte[] Alter(Dice dice, byte[] json)
    {
        if (dice.OneIn(4))
        {
            return Odd.Mutate(dice, json);
        }

        string text = Encoding.UTF8.GetString(json);
        for (int changes = dice.Next(1, 3); changes > 0; changes--)
        {
            // A value stands behind ": " up to the end of the line.
            List<int> values = [.. Enumerable.Range(0, text.Length - 2).Where(at => text[at] == '"' && text[at + 1] == ':')];
            if (values.Count == 0)
            {
                break;
            }

            int start = dice.Pick<int>(values.ToArray()) + 2, end = text.IndexOf('\n', start);
            if (end < 0)
            {
                break;
            }

            string old = text[start..end].TrimEnd().TrimEnd(',');
            string value = dice.OneIn(200) ? s_deep
                : dice.OneIn(3) && ulong.TryParse(old, out _) ? $"{(dice.OneIn(2) ? (object)(long)Odd.Number(dice) : Odd.Number(dice))}"
                : dice.Pick<string>(s_values);
            int line = text.LastIndexOf('\n', start) + 1;
            text = dice.Next(10) switch
            {
                0 => text.Remove(line, end - line), // the line is gone
                1 => text.Insert(line, text[line..(end + 1)]), // and here it is there twice
                2 => text.Insert(line, $"\"more\": {value},\n"),
                _ => string.Concat(text.AsSpan(0, start), value, text.AsSpan(start + old.Length)),
            };
        }

        return Encoding.UTF8.GetBytes(text);
    }

    private static byte[] Seed(bool differential, int blocks, params string[] slots) => TemplateManifest.From(new GuestTemplate
    {
        Path = Folder,
        FormatVersion = (int)TemplateManifest.VersionWithSlots,
        Id = FuzzBoard.Template,
        Guest = "one",
        MachineType = "virt-1.1",
        Board = "virt",
        Devices = ["uart", "plic", "aclint", "rtc", "generation", "syscon"],
        Slots = slots,
        Harts = 2,
        Isa = "rv64imafdc_zicntr_zicsr_zifencei_zba_zbb_zbs_sstc",
        Memory = blocks * 4096L,
        RamBlocks = [.. Enumerable.Range(0, blocks).Select(block => new TemplateRamBlock
        {
            BackendId = $"ram{block}",
            Size = 4096,
            File = $"{Folder}/ram{block}.bin",
            Offset = 0,
            Identity = new FileIdentity(1, 2, 4096, 3, 4),
            Digest = new string('b', 64),
            Sha256 = new string('a', 64),
            ChangedBytes = differential ? 4096 : null,
        })],
        Boot = "Image",
        CreatedAt = DateTimeOffset.UnixEpoch,
        Parent = differential ? new TemplateParent("/templates/two", FuzzBoard.Template) : null,
    }).ToJson();
}
