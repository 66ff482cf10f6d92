namespace PsVm.Memory.Tests.Support;

/// <summary>Decision tables as text: a heading, then a line for each row, cells apart by spaces.</summary>
internal static class TextTable
{
    /// <summary>Rows, without the heading.</summary>
    public static IEnumerable<string[]> Rows(string table) => Lines(table).Skip(1);

    /// <summary>Each cell behind a row's name: the name, the column's heading and the cell.</summary>
    public static TheoryData<string, string, string> Cells(string table)
    {
        var cells = new TheoryData<string, string, string>();
        var heading = Lines(table).First();
        foreach (var row in Rows(table))
        {
            Assert.Equal(heading.Length, row.Length);
            for (var column = 1; column < row.Length; column++)
            {
                cells.Add(row[0], heading[column], row[column]);
            }
        }

        return cells;
    }

    public static IEnumerable<string[]> Lines(string table) =>
        table.Split('\n').Select(l => l.Split(' ', StringSplitOptions.RemoveEmptyEntries));
}
