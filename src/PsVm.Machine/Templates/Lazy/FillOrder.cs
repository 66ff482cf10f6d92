namespace PsVm.Machine.Templates.Lazy;

/// <summary>
/// In which order a template is fetched that nobody waits for: what clones touch first, then what lies behind what somebody waited for
/// last, and so on by address, round and round.
/// </summary>
/// <param name="blocks">The blocks.</param>
/// <param name="first">What of each block comes first, in order; null: nothing is known.</param>
internal sealed class FillOrder(IReadOnlyList<FillBlock> blocks, WorkingSet? first)
{
    /// <summary>Chunks that are fetched at once: whoever needs another one waits for no more than these, at 100 MB/s 3 ms.</summary>
    public const int MostChunks = 4;

    private readonly IEnumerator<FillRun> _first = First(blocks, first).GetEnumerator();
    private bool _isFirstOver;
    private int _block;
    private int _chunk;
    private int _most = MostChunks;

    /// <summary>Somebody waited for a chunk: the next one is likely, and more to wait for is.</summary>
    public void NoteWanted(FillRun wanted)
    {
        (_block, _chunk) = (wanted.Block, wanted.First + wanted.Count);
        _most = 1;
    }

    /// <summary>What comes next.</summary>
    /// <returns>Null: all is there.</returns>
    public FillRun? Next()
    {
        int most = _most;
        _most = Math.Min(_most * 2, MostChunks);
        while (!_isFirstOver)
        {
            if (!_first.MoveNext())
            {
                _isFirstOver = true;
            }
            else if (_first.Current is var run && !blocks[run.Block].AreHere(run.First, run.Count))
            {
                return run;
            }
        }

        // To the end of a block, then the others, and the start of the first one again.
        for (int turn = 0; turn <= blocks.Count; turn++)
        {
            FillBlock block = blocks[_block];
            for (; _chunk < block.Count; _chunk++)
            {
                int count = 0;
                while (count < most && _chunk + count < block.Count && !block.IsHere(_chunk + count))
                {
                    count++;
                }

                if (count > 0)
                {
                    FillRun run = new(_block, _chunk, count);
                    _chunk += count;
                    return run;
                }
            }

            (_block, _chunk) = ((_block + 1) % blocks.Count, 0);
        }

        return null;
    }

    private static IEnumerable<FillRun> First(IReadOnlyList<FillBlock> blocks, WorkingSet? first) => first is null ? [] :
        blocks.SelectMany((_, block) => first.Blocks[block].SelectMany(range => Enumerable
            .Range((int)(range.Offset / FillBlock.ChunkSize), FillBlock.ChunksOf(range.End) - (int)(range.Offset / FillBlock.ChunkSize))
            .Chunk(MostChunks)
            .Select(chunks => new FillRun(block, chunks[0], chunks.Length))));
}

/// <summary>Chunks of a block, one after the other.</summary>
/// <param name="Block">Number of the block.</param>
/// <param name="First">The first chunk.</param>
/// <param name="Count">How many.</param>
internal readonly record struct FillRun(int Block, int First, int Count);
