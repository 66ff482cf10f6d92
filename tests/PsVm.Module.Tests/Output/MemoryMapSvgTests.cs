using System.Xml.Linq;
using PsVm.Module.Output;

namespace PsVm.Module.Tests.Output;

/// <summary>Pictures of guest RAM.</summary>
public class MemoryMapSvgTests
{
    private const long Cell = 2 << 20;

    [Fact]
    public void A_cell_shows_what_is_own_before_overlay_before_shared()
    {
        XElement svg = Draw(new MemoryMapPicture(Cell, [Row(
            "web",
            new RamMapCell(0, 0, 0),
            new RamMapCell(4096, 0, 0),
            new RamMapCell(4096, 0, 4096),
            new RamMapCell(4096, 4096, 4096),
            new RamMapCell(0, Cell / 2, 0),
            new RamMapCell(0, Cell / 4 * 3, 0),
            new RamMapCell(0, Cell, 0))], []));

        Dictionary<string, string> paths = svg.Descendants().Where(element => element.Name.LocalName == "path")
            .ToDictionary(path => path.Attribute("class")!.Value, path => path.Attribute("d")!.Value);
        Assert.Equal(["n", "o1", "o2", "o3", "o4", "s", "v"], paths.Keys.Order());
        Assert.All(paths.Values, path => Assert.Equal(1, path.Count(c => c == 'M')));
    }

    [Fact]
    public void The_last_cell_counts_by_its_own_size()
    {
        // 1 MiB of a cell that has only 1 MiB.
        RamMap map = new("ram", Cell / 2, Cell, [new RamMapCell(0, Cell / 2, 0)]);
        XElement svg = Draw(new MemoryMapPicture(Cell, [new MemoryMapRow("web", [map])], []));
        Assert.Equal("o4", svg.Descendants().Single(element => element.Name.LocalName == "path").Attribute("class")!.Value);
    }

    [Fact]
    public void A_name_is_text_whatever_it_holds()
    {
        XElement svg = Draw(new MemoryMapPicture(Cell, [Row("<a>&\u001b[2J\"", new RamMapCell(0, 0, 0))], []));
        Assert.DoesNotContain('\u001b', svg.Value);
        Assert.Contains(svg.Descendants(), element => element.Value.StartsWith("<a>&", StringComparison.Ordinal));
    }

    [Fact]
    public void A_recording_becomes_a_curve()
    {
        XElement svg = Draw(new MemoryMapPicture(
            Cell,
            [Row("web", new RamMapCell(0, 0, 0))],
            [new(TimeSpan.Zero, 0), new(TimeSpan.FromSeconds(1), 100), new(TimeSpan.FromSeconds(2), 50)]));
        string[] points = svg.Descendants().First(element => element.Name.LocalName == "polyline").Attribute("points")!.Value.Split(' ');
        Assert.Equal(3, points.Length);
        Assert.Equal(3, points.Select(point => point.Split(',')[1]).Distinct().Count());
    }

    [Fact]
    public void A_picture_has_a_bounded_number_of_cells()
    {
        Assert.Equal(Cell, MemoryMapPicture.FitCellSize(Cell, [128L << 20]));
        long fitted = MemoryMapPicture.FitCellSize(4096, [.. Enumerable.Repeat(1L << 40, 100)]);
        Assert.InRange(100 * (1L << 40) / fitted, 1, MemoryMapPicture.MostCells);
    }

    private static MemoryMapRow Row(string name, params RamMapCell[] cells) =>
        new(name, [new RamMap("ram", cells.Length * Cell, Cell, cells)]);

    private static XElement Draw(MemoryMapPicture picture)
    {
        using MemoryStream stream = new();
        MemoryMapSvg.Write(stream, picture);
        stream.Position = 0;
        return XElement.Load(stream);
    }
}
