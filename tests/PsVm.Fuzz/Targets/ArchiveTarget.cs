using System.Text;
using PsVm.Machine.Templates;
using PsVm.Riscv.Tests;
using ZstdSharp;

namespace PsVm.Fuzz.Targets;

/// <summary>
/// Archives that were altered, compressed and below, where checksums of headers are made right again: they are refused as documented and
/// leave nothing, or what comes out is the template that went in.
/// </summary>
internal sealed class ArchiveTarget : FuzzTarget
{
    private const int BlockSize = 512;

    // Not at the first case, whose time is counted.
    private readonly Seeds _seeds = new();

    public override void Run(Dice dice)
    {
        Seeds seeds = _seeds;
        byte[] archive = dice.OneIn(3) ? Odd.Mutate(dice, seeds.Compressed) : seeds.Compress(Alter(dice, seeds.Tar));
        File.WriteAllBytes(seeds.Path, archive);
        Directory.CreateDirectory(seeds.There);
        try
        {
            GuestTemplate? imported = null;
            TemplateImportOptions options = new() { Folder = seeds.There };
            if (Try(() => imported = new TemplateHost().Import(seeds.Path, options, null, CancellationToken.None)) is null)
            {
                TemplateReport report = GuestTemplates.Test(imported!.Path, verify: true);
                WrongException.ThrowIfNot(report.IsValid, $"an archive came out as {string.Join(", ", report.Errors)}");
                WrongException.ThrowIfNot(imported.RamBlocks[0].Digest == seeds.Digest, "other RAM came out than went in");
                GuestTemplates.Remove(imported.Path);
            }

            string[] left = Directory.GetFileSystemEntries(seeds.There);
            WrongException.ThrowIfNot(left.Length == 0, $"left: {string.Join(", ", left)}");
        }
        finally
        {
            Directory.Delete(seeds.There, recursive: true);
        }
    }

    public override void Dispose() => _seeds.Dispose();

    /// <summary>Alters headers and small entries more often than what is most of it, and blocks as a whole.</summary>
    private static byte[] Alter(Dice dice, byte[] tar)
    {
        List<byte> altered = [.. tar];
        int[] headers = [.. Enumerable.Range(0, tar.Length / BlockSize).Where(
            block => Encoding.ASCII.GetString(tar, (block * BlockSize) + 257, 5) == "ustar")];
        for (int changes = dice.Next(1, 4); changes > 0 && altered.Count > BlockSize; changes--)
        {
            int header = dice.Pick<int>(headers) * BlockSize;
            switch (dice.Next(7))
            {
                case 0: // a field of a header
                    int field = dice.Pick<int>([0, 100, 124, 148, 156, 157, 257, 345]);
                    Put(header + field + dice.Next(8), (byte)dice.Next(256));
                    break;
                case 1: // a number in a header
                    string number = Convert.ToString((long)(Odd.Number(dice) >> 1), 8);
                    for (int i = 0; i < Math.Min(11, number.Length); i++)
                    {
                        Put(header + 124 + i, (byte)number[i]);
                    }

                    break;
                case 2: // what an extended header or a small file says
                    Put(header + BlockSize + dice.Next(2 * BlockSize), (byte)dice.Next(' ', 127));
                    break;
                case 3: // anything
                    Put(dice.Next(altered.Count), (byte)dice.Next(256));
                    break;
                case 4: // blocks that are there twice
                    int from = dice.Next(altered.Count / BlockSize) * BlockSize,
                        length = Math.Min(dice.Next(1, 4) * BlockSize, altered.Count - from);
                    altered.InsertRange(from, altered.GetRange(from, length));
                    break;
                case 5: // blocks that are not
                    int gone = dice.Next(altered.Count / BlockSize) * BlockSize;
                    altered.RemoveRange(gone, Math.Min(dice.Next(1, 4) * BlockSize, altered.Count - gone));
                    break;
                default: // the rest
                    int end = dice.Next(altered.Count);
                    altered.RemoveRange(end, altered.Count - end);
                    break;
            }
        }

        byte[] bytes = [.. altered];
        foreach (int header in headers.Where(header => (header + 1) * BlockSize <= bytes.Length && !dice.OneIn(20)))
        {
            Span<byte> block = bytes.AsSpan(header * BlockSize, BlockSize);
            int sum = 8 * ' ';
            for (int i = 0; i < BlockSize; i++)
            {
                sum += i is >= 148 and < 156 ? 0 : block[i];
            }

            Encoding.ASCII.GetBytes(Convert.ToString(sum, 8).PadLeft(6, '0') + "\0 ", block[148..]);
        }

        return bytes;

        void Put(int at, byte value)
        {
            if (at < altered.Count)
            {
                altered[at] = value;
            }
        }
    }

    /// <summary>A template, packed, on a file system in memory.</summary>
    private sealed class Seeds : IDisposable
    {
        private readonly TemplateFiles _files = new();
        private readonly Compressor _zstd = new(1);

        public Seeds()
        {
            GuestTemplate template = GuestTemplates.Read(_files.Replaced[0].Path);
            Folder = System.IO.Path.GetDirectoryName(template.Path)!;
            Digest = template.RamBlocks[0].Digest!;
            TemplateExportOptions options = new() { Path = Path };
            new TemplateHost().Export(template.Path, options, null, CancellationToken.None);
            Compressed = File.ReadAllBytes(Path);
            using DecompressionStream zstd = new(new MemoryStream(Compressed));
            using MemoryStream tar = new();
            zstd.CopyTo(tar);
            Tar = tar.ToArray();
        }

        private string Folder { get; }

        public string Path => System.IO.Path.Combine(Folder, "a.psvm");

        public string There => System.IO.Path.Combine(Folder, "there");

        public string Digest { get; }

        public byte[] Compressed { get; }

        public byte[] Tar { get; }

        public byte[] Compress(byte[] tar) => _zstd.Wrap(tar).ToArray();

        public void Dispose()
        {
            _zstd.Dispose();
            _files.Dispose();
        }
    }
}
