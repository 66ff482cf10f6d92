using System.Text.RegularExpressions;

namespace PsVm.Architecture.Tests;

/// <summary>Where sources stand.</summary>
public partial class FolderTests
{
    // What operators name is in one namespace, whatever folder keeps it.
    private const string FlatProject = "PsVm.Abstractions";

    private static readonly string s_repository = FindRepository();

    [Fact]
    public void Namespaces_follow_folders()
    {
        List<string> strays = [];
        foreach (string file in Sources("src").Where(file => !file.Contains($"{FlatProject}/", StringComparison.Ordinal)))
        {
            string expected = Path.GetDirectoryName(Path.GetRelativePath(Path.Combine(s_repository, "src"), file))!.Replace('/', '.');
            Match found = Namespace().Match(File.ReadAllText(file));
            if (found.Success && found.Groups[1].Value != expected)
            {
                strays.Add($"{Path.GetRelativePath(s_repository, file)}: expected {expected}, found {found.Groups[1].Value}");
            }
        }

        Assert.Empty(strays);
    }

    private static IEnumerable<string> Sources(string folder) =>
        Directory.EnumerateFiles(Path.Combine(s_repository, folder), "*.cs", SearchOption.AllDirectories)
            .Where(file => !file.Contains("/obj/", StringComparison.Ordinal) && !file.Contains("/bin/", StringComparison.Ordinal));

    private static string FindRepository()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "PsVm.sln")))
        {
            folder = folder.Parent;
        }

        return folder?.FullName ?? throw new InvalidOperationException("PsVm.sln is in no folder above the tests.");
    }

    [GeneratedRegex(@"^namespace ([\w.]+);", RegexOptions.Multiline)]
    private static partial Regex Namespace();
}
