using Microsoft.Win32.SafeHandles;
using PsVm.Memory.Copying;
using PsVm.Memory.Tests.Support;

namespace PsVm.Memory.Tests.Copying;

/// <summary>Files with holes, on real file systems: data is found, holes are neither read nor written.</summary>
public sealed class SparseFileTests : IDisposable
{
    private const long Block = 64 << 10; // the largest block size of the file systems used
    private const long Size = 64 * Block;

    private readonly TestFolder _folder = new();

    [Fact]
    public void Data_lies_between_the_holes()
    {
        using SafeFileHandle file = Create("f", Size, 2 * Block, 7 * Block);

        Assert.Equal([new(2 * Block, Block), new(7 * Block, Block)], SparseFile.Data(file, 0, Size));
        Assert.Equal([new((2 * Block) + 4096, Block - 4096)], SparseFile.Data(file, (2 * Block) + 4096, 5 * Block));
        Assert.Empty(SparseFile.Data(file, 8 * Block, Size));
        Assert.Empty(SparseFile.Data(file, Size, 2 * Size));
    }

    [Fact]
    public void A_copy_has_the_part_and_takes_no_space_for_holes_and_zeros()
    {
        using SafeFileHandle source = Create("f", Size, 2 * Block, 7 * Block, 9 * Block);
        RandomAccess.Write(source, new byte[Block], 7 * Block);
        using SafeFileHandle target = File.OpenHandle(_folder.In("copy"), FileMode.CreateNew, FileAccess.ReadWrite);
        List<long> advances = [];

        SparseFile.Copy(source, Block, Size - Block, target, advances.Add, CancellationToken.None);

        Assert.Equal([new(Block, Block), new(8 * Block, Block)], SparseFile.Data(target, 0, Size));
        Assert.Equal(Size - Block, RandomAccess.GetLength(target));
        Assert.Equal(Size - Block, advances.Sum());
        Assert.All(advances, advance => Assert.True(advance >= 0));
        Assert.Equal(File.ReadAllBytes(_folder.In("f"))[(int)Block..], File.ReadAllBytes(_folder.In("copy")));
    }

    [Fact]
    public void A_copy_that_is_given_up_ends()
    {
        using SafeFileHandle source = Create("f", Size, 2 * Block);
        using SafeFileHandle target = File.OpenHandle(_folder.In("copy"), FileMode.CreateNew, FileAccess.ReadWrite);
        using CancellationTokenSource stop = new();
        stop.Cancel();

        Assert.Throws<OperationCanceledException>(() => SparseFile.Copy(source, 0, Size, target, _ => { }, stop.Token));
    }

    [Fact]
    public void What_is_read_exactly_is_all_there()
    {
        using SafeFileHandle file = Create("f", Block, 0);

        Assert.Throws<EndOfStreamException>(() => SparseFile.ReadExactly(file, new byte[2 * Block], 0));
    }

    [SkippableFact]
    public void Blocks_are_shared_where_the_file_system_can()
    {
        using Mounted mount = Host.MountNew(_folder, "btrfs", 256 << 20);
        File.WriteAllText(mount.In("f"), "text");
        using SafeFileHandle source = File.OpenHandle(mount.In("f"));
        using SafeFileHandle target = File.OpenHandle(mount.In("copy"), FileMode.CreateNew, FileAccess.ReadWrite);
        using SafeFileHandle elsewhere = File.OpenHandle(_folder.In("copy"), FileMode.CreateNew, FileAccess.ReadWrite);

        Assert.True(SparseFile.TryClone(source, target));
        Assert.Equal("text", File.ReadAllText(mount.In("copy")));
        Assert.False(SparseFile.TryClone(source, elsewhere));
    }

    public void Dispose() => _folder.Dispose();

    private SafeFileHandle Create(string name, long size, params long[] data)
    {
        SafeFileHandle file = File.OpenHandle(_folder.In(name), FileMode.CreateNew, FileAccess.ReadWrite);
        RandomAccess.SetLength(file, size);
        byte[] block = new byte[Block];
        Array.Fill(block, TestFolder.Fill);
        Array.ForEach(data, offset => RandomAccess.Write(file, block, offset));
        return file;
    }
}
