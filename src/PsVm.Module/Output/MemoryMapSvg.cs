using System.Globalization;
using System.Text;
using System.Xml;

namespace PsVm.Module.Output;

/// <summary>Draws guest RAM as a picture that needs nothing beside itself, on light and dark ground.</summary>
/// <remarks>Source: Scalable Vector Graphics (SVG) 2; Media Queries Level 5, prefers-color-scheme.</remarks>
internal static class MemoryMapSvg
{
    private const string Namespace = "http://www.w3.org/2000/svg";
    private const int Margin = 20, NameWidth = 170, OwnWidth = 110;
    private const int ChartHeight = 120;

    // Kinds of cells, and the words for them. The last four are own pages: up to a quarter of the cell, a half, three quarters, all.
    private static readonly string[] s_kinds = ["n", "s", "v", "o1", "o2", "o3", "o4"];

    // Colours that stay apart for colour-blind people: blue for what is shared, orange for what is own. No CSS variables: not every
    // viewer knows them.
    private const string Style = """
        svg{font:12px system-ui,sans-serif}.g{fill:#fff}text{fill:#1f2328}.q{fill:#59636e}.h{font-size:16px;font-weight:600}.e{text-anchor:end}
        .n{fill:#e8ebef}.s{fill:#7fb2e5}.v{fill:#9a86d3}.o1{fill:#f7c4a8}.o2{fill:#f09a6b}.o3{fill:#e56f35}.o4{fill:#d9480f}
        .a{fill:#d9480f;fill-opacity:.25}.l{fill:none;stroke:#d9480f;stroke-width:2}.x{fill:none;stroke:#59636e}
        @media(prefers-color-scheme:dark){.g{fill:#0d1117}text{fill:#e6edf3}.q{fill:#9198a1}.n{fill:#222b36}.s{fill:#2f6fb0}.v{fill:#7d68bf}
        .o1{fill:#5e3a29}.o2{fill:#995631}.o3{fill:#cc703d}.o4{fill:#ff8a4c}.a{fill:#ff8a4c}.l{stroke:#ff8a4c}.x{stroke:#9198a1}}
        """;

    /// <summary>Writes a picture.</summary>
    public static void Write(Stream stream, MemoryMapPicture picture)
    {
        (int cell, int perLine) = picture.Rows.Count switch { 1 => (12, 64), <= 16 => (10, 64), _ => (6, 128) };
        int width = (2 * Margin) + NameWidth + (perLine * cell) + OwnWidth;
        int[] lines = [.. picture.Rows.Select(row => Math.Max(1, row.Maps.Sum(map => Lines(map, perLine))))];
        int top = 96;
        int gap = picture.Rows.Count > 16 ? 2 : 6;
        int mapHeight = lines.Sum(count => Math.Max((count * cell) + gap, 12));
        int chartTop = top + mapHeight + 40;
        int height = picture.History.Count > 1 ? chartTop + ChartHeight + 40 : top + mapHeight + Margin;

        using XmlWriter svg = XmlWriter.Create(
            stream, new XmlWriterSettings { Encoding = new UTF8Encoding(false), OmitXmlDeclaration = true });
        svg.WriteStartElement("svg", Namespace);
        svg.WriteAttributeString("viewBox", $"0 0 {width} {height}");
        svg.WriteAttributeString("width", $"{width}");
        svg.WriteAttributeString("height", $"{height}");
        svg.WriteAttributeString("role", "img");
        svg.WriteElementString("title", Namespace, Title(picture));
        svg.WriteElementString("style", Namespace, Style);
        Rect(svg, "g", 0, 0, width, height);
        Text(svg, "h", Margin, 32, Title(picture));
        Text(svg, "q", Margin, 50, Totals(picture));
        WriteLegend(svg, 74);

        int y = top;
        for (int i = 0; i < picture.Rows.Count; i++)
        {
            WriteRow(svg, picture.Rows[i], y, cell, perLine, width);
            y += Math.Max((lines[i] * cell) + gap, 12);
        }

        if (picture.History.Count > 1)
        {
            WriteHistory(svg, picture.History, chartTop, width);
        }

        svg.WriteEndElement();
    }

    private static int Lines(RamMap map, int perLine) => (map.Cells.Count + perLine - 1) / perLine;

    private static string Title(MemoryMapPicture picture) => picture.Rows is [{ } only]
        ? $"Guest RAM of {VisibleText.Of(only.Name)}: {ByteSize.ToText(only.Size)} in cells of {ByteSize.ToText(picture.CellSize)}"
        : $"Guest RAM of {picture.Rows.Count} guests: {ByteSize.ToText(picture.Rows.Sum(row => row.Size))} in cells of "
            + $"{ByteSize.ToText(picture.CellSize)}";

    private static string Totals(MemoryMapPicture picture) =>
        $"own {ByteSize.ToText(picture.Rows.Sum(row => row.Own))}, "
        + $"mapped from a shared file {ByteSize.ToText(picture.Rows.Sum(row => row.Shared))}, "
        + $"discard overlays {ByteSize.ToText(picture.Rows.Sum(row => row.Overlay))}";

    private static void WriteLegend(XmlWriter svg, int y)
    {
        int x = Margin;
        foreach ((string kind, string text) in (ReadOnlySpan<(string, string)>)
            [("s", "shared with the template"), ("o1", string.Empty), ("o2", string.Empty), ("o3", string.Empty),
             ("o4", "own, by part of the cell"), ("v", "discard overlay"), ("n", "never touched")])
        {
            Rect(svg, kind, x, y - 10, 11, 11);
            x += 15;
            if (text.Length > 0)
            {
                Text(svg, "q", x, y, text);
                x += (text.Length * 6) + 24;
            }
        }
    }

    private static void WriteRow(XmlWriter svg, MemoryMapRow row, int top, int cell, int perLine, int width)
    {
        svg.WriteStartElement("g", Namespace);
        string own = ByteSize.ToText(row.Own);
        svg.WriteElementString(
            "title",
            Namespace,
            $"{VisibleText.Of(row.Name)}: {own} own, {ByteSize.ToText(row.Shared)} shared, {ByteSize.ToText(row.Overlay)} overlays");
        int baseline = top + Math.Max(cell - 1, 9);
        Text(svg, null, Margin, baseline, Shorten(VisibleText.Of(row.Name)));
        Text(svg, "q e", width - Margin, baseline, row.Maps.Count == 0 ? "stopped" : $"{own} own");

        // One path for all cells of a kind: a fleet is thousands of cells.
        var paths = new StringBuilder[s_kinds.Length];
        int y = top;
        foreach (RamMap map in row.Maps)
        {
            for (int i = 0; i < map.Cells.Count; i++)
            {
                StringBuilder path = paths[Kind(map, i)] ??= new StringBuilder();
                int x = Margin + NameWidth + (i % perLine * cell);
                path.Append(CultureInfo.InvariantCulture, $"M{x} {y + (i / perLine * cell)}h{cell - 1}v{cell - 1}h{1 - cell}z");
            }

            y += Lines(map, perLine) * cell;
        }

        for (int kind = 0; kind < paths.Length; kind++)
        {
            if (paths[kind] is { } path)
            {
                svg.WriteStartElement("path", Namespace);
                svg.WriteAttributeString("class", s_kinds[kind]);
                svg.WriteAttributeString("d", path.ToString());
                svg.WriteEndElement();
            }
        }

        svg.WriteEndElement();
    }

    /// <summary>Which of the kinds a cell is: what a guest has alone matters most.</summary>
    private static int Kind(RamMap map, int index)
    {
        RamMapCell cell = map.Cells[index];
        long size = Math.Min(map.CellSize, map.Size - (index * map.CellSize));
        return cell switch
        {
            { Own: > 0 } => 3 + (int)Math.Clamp(((cell.Own * 4) - 1) / size, 0, 3),
            { Overlay: > 0 } => 2,
            { Shared: > 0 } => 1,
            _ => 0,
        };
    }

    private static void WriteHistory(XmlWriter svg, IReadOnlyList<MemoryMapSample> history, int top, int width)
    {
        double most = Math.Max(1, history.Max(sample => sample.Own));
        double last = Math.Max(history[^1].Time.TotalSeconds, 1e-3);
        int left = Margin + NameWidth, right = width - Margin - OwnWidth, bottom = top + ChartHeight;
        string points = string.Join(' ', history.Select(sample => string.Create(
            CultureInfo.InvariantCulture,
            $"{left + (sample.Time.TotalSeconds / last * (right - left)):0.#},{bottom - (sample.Own / most * ChartHeight):0.#}")));
        Text(svg, null, Margin, top + 10, "Own bytes of all guests");
        Text(svg, "q", right + 8, top + 10, ByteSize.ToText((long)most));
        Text(svg, "q", right + 8, bottom, "0 B");
        Text(svg, "q", left, bottom + 16, "0 s");
        Text(svg, "q e", right, bottom + 16, string.Create(CultureInfo.InvariantCulture, $"{last:0.#} s"));
        Points(svg, "polygon", "a", $"{left},{bottom} {points} {right},{bottom}");
        Points(svg, "polyline", "l", points);
        Points(svg, "polyline", "x", $"{left},{bottom} {right},{bottom}");
    }

    private static void Points(XmlWriter svg, string element, string style, string points)
    {
        svg.WriteStartElement(element, Namespace);
        svg.WriteAttributeString("class", style);
        svg.WriteAttributeString("points", points);
        svg.WriteEndElement();
    }

    private static void Rect(XmlWriter svg, string style, int x, int y, int width, int height)
    {
        svg.WriteStartElement("rect", Namespace);
        svg.WriteAttributeString("class", style);
        svg.WriteAttributeString("x", $"{x}");
        svg.WriteAttributeString("y", $"{y}");
        svg.WriteAttributeString("width", $"{width}");
        svg.WriteAttributeString("height", $"{height}");
        svg.WriteEndElement();
    }

    private static void Text(XmlWriter svg, string? style, int x, int y, string text)
    {
        svg.WriteStartElement("text", Namespace);
        if (style is not null)
        {
            svg.WriteAttributeString("class", style);
        }

        svg.WriteAttributeString("x", $"{x}");
        svg.WriteAttributeString("y", $"{y}");
        svg.WriteString(text);
        svg.WriteEndElement();
    }

    // The whole name stands in the row's title.
    private static string Shorten(string name) => name.Length <= 24 ? name : $"{name[..23]}…";
}
