using System.Text.RegularExpressions;
using PsVm.Tests;

namespace PsVm.Architecture.Tests;

/// <summary>Where sources stand.</summary>
public partial class FolderTests
{
    // What operators name is in one namespace, whatever folder keeps it.
    private const string FlatProject = "PsVm.Abstractions";

    [Fact]
    public void Namespaces_follow_folders()
    {
        List<string> strays = [];
        foreach (string file in Sources("src").Where(file => !file.Contains($"{FlatProject}/", StringComparison.Ordinal)))
        {
            string expected = Path.GetDirectoryName(Path.GetRelativePath(Path.Combine(Repository.Path, "src"), file))!.Replace('/', '.');
            Match found = Namespace().Match(File.ReadAllText(file));
            if (found.Success && found.Groups[1].Value != expected)
            {
                strays.Add($"{Path.GetRelativePath(Repository.Path, file)}: expected {expected}, found {found.Groups[1].Value}");
            }
        }

        Assert.Empty(strays);
    }

    private static IEnumerable<string> Sources(string folder) =>
        Directory.EnumerateFiles(Path.Combine(Repository.Path, folder), "*.cs", SearchOption.AllDirectories)
            .Where(file => !file.Contains("/obj/", StringComparison.Ordinal) && !file.Contains("/bin/", StringComparison.Ordinal));

    [GeneratedRegex(@"^namespace ([\w.]+);", RegexOptions.Multiline)]
    private static partial Regex Namespace();
}
