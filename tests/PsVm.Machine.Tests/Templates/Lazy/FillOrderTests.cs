using Microsoft.Win32.SafeHandles;
using PsVm.Machine.Templates;
using PsVm.Machine.Templates.Lazy;
using PsVm.Memory.Mapping;

namespace PsVm.Machine.Tests.Templates.Lazy;

/// <summary>In which order is fetched what nobody waits for.</summary>
public sealed class FillOrderTests
{
    private const int Chunk = FillBlock.ChunkSize;

    private static readonly SafeFileHandle s_noFile = new();

    [Fact]
    public void Without_anything_known_it_goes_by_address_and_leaves_out_what_is_there()
    {
        FillBlock[] blocks = [Block(6, 0, 6), Block(9, 2, 7)];

        Assert.Equal(["0:0-3", "0:4-5", "1:2-5", "1:6-6"], All(blocks, new FillOrder(blocks, null)));
    }

    [Fact]
    public void What_clones_touch_first_comes_first()
    {
        FillBlock[] blocks = [Block(8, 0, 8), Block(9, 0, 9)];
        WorkingSet first = new([[new PageRange((5 * Chunk) + 4096, 4096)], [new PageRange(0, 6 * Chunk), new PageRange(7 * Chunk, 10)]]);

        Assert.Equal(
            ["0:5-5", "1:0-3", "1:4-5", "1:7-7", "0:0-3", "0:4-4", "0:6-7", "1:6-6", "1:8-8"], All(blocks, new FillOrder(blocks, first)));
    }

    [Fact]
    public void It_goes_on_behind_what_somebody_waited_for_a_little_at_a_time_at_first()
    {
        FillBlock[] blocks = [Block(8, 0, 8), Block(20, 0, 20)];
        FillOrder order = new(blocks, null);
        Assert.Equal("0:0-3", Take(blocks, order));
        blocks[1].Arrived(4, 1);
        order.NoteWanted(new FillRun(1, 4, 1));

        Assert.Equal(
            ["1:5-5", "1:6-7", "1:8-11", "1:12-15", "1:16-19", "0:4-7", "1:0-3"],
            All(blocks, order));
    }

    [Fact]
    public void Chunks_count_by_what_is_data_in_them()
    {
        FillBlock block = new(s_noFile, (2 * Chunk) + 4096);
        Assert.Equal(Chunk + 4096, block.Expect([new PageRange(10, 10), new PageRange(Chunk - 1, 1), new PageRange(2 * Chunk, 4096)]));
        Assert.Equal([false, true, false], Enumerable.Range(0, 3).Select(block.IsHere));
        Assert.True(block.TryWant(0));
        Assert.False(block.TryWant(0));
        Assert.False(block.TryWant(1));
        block.Arrived(0, 1);
        Assert.True(block.IsHere(0));
        Assert.False(block.TryWant(0));
    }

    private static FillBlock Block(int chunks, int first, int end)
    {
        FillBlock block = new(s_noFile, (long)chunks * Chunk);
        block.Expect([new PageRange((long)first * Chunk, (long)(end - first) * Chunk)]);
        return block;
    }

    private static List<string> All(FillBlock[] blocks, FillOrder order)
    {
        List<string> runs = [];
        while (Take(blocks, order) is { } run)
        {
            runs.Add(run);
        }

        return runs;
    }

    private static string? Take(FillBlock[] blocks, FillOrder order)
    {
        if (order.Next() is not { } run)
        {
            return null;
        }

        for (int chunk = run.First; chunk < run.First + run.Count; chunk++)
        {
            if (!blocks[run.Block].IsHere(chunk))
            {
                blocks[run.Block].Arrived(chunk, 1);
            }
        }

        return $"{run.Block}:{run.First}-{run.First + run.Count - 1}";
    }
}
