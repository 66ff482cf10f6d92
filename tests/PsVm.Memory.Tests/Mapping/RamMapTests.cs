using PsVm.Memory.Tests.Support;

namespace PsVm.Memory.Tests.Mapping;

/// <summary>Maps of what the pages of a backend are.</summary>
public sealed class RamMapTests : IDisposable
{
    private const long Page = Make.Page;
    private const long Cell = 16 * Page;
    private const long Size = 100 * Page;

    private readonly TestFolder _folder = new();
    private readonly MemoryBackends _backends = Make.Backends();

    public void Dispose()
    {
        _backends.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void Own_pages_overlays_and_what_was_never_touched_are_told_apart_by_cell()
    {
        var backend = _backends.Create(new() { Path = _folder.File("ram", Size), Size = Size, DiscardPolicy = DiscardPolicy.ZeroOverlay });
        backend.Bytes(17 * Page, 1)[0] = 1;
        backend.Bytes(31 * Page, 1)[0] = 1;
        backend.Bytes(99 * Page, 1)[0] = 1;
        backend.Discard(30 * Page, 20 * Page);

        var map = backend.Map(Cell);

        Assert.Equal((Size, Cell, 7), (map.Size, map.CellSize, map.Cells.Count));
        Assert.Equal([0, Page, 0, 0, 0, 0, Page], map.Cells.Select(cell => cell.Own));
        Assert.Equal([0, 2 * Page, 16 * Page, 2 * Page, 0, 0, 0], map.Cells.Select(cell => cell.Overlay));
    }

    [Fact]
    public void Pages_of_a_file_that_were_read_are_shared()
    {
        var path = _folder.File("ram", Size);
        File.WriteAllBytes(path, new byte[Size]);
        var backend = _backends.Create(new() { Path = path, Size = Size });
        for (long page = 0; page < 16; page++)
        {
            Assert.Equal(0, backend.Bytes(page * Page, 1)[0]);
        }

        // The kernel may map pages around those that were touched.
        var map = backend.Map(Cell);
        Assert.Equal(Cell, map.Cells[0].Shared);
        Assert.All(map.Cells, cell => Assert.Equal(0, cell.Own + cell.Overlay));
    }

    [Fact]
    public void Anonymous_memory_is_own_and_its_sum_is_what_a_measurement_says()
    {
        var backend = _backends.Create(new() { Size = Size });
        for (long page = 0; page < 40; page++)
        {
            backend.Bytes(page * 2 * Page, 1)[0] = 1;
        }

        Assert.Equal(backend.MeasureOwn(), backend.Map(Cell).Cells.Sum(cell => cell.Own));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-4096)]
    [InlineData(1000)]
    public void Cells_are_whole_pages(long cellSize)
    {
        var backend = _backends.Create(new() { Size = Size });
        Assert.Throws<ArgumentOutOfRangeException>(() => backend.Map(cellSize));
    }
}
