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

    [Fact]
    public void Libc_is_bound_in_one_folder_and_by_those_who_may_not_know_it()
    {
        // Harts know no other project; cmdlets know hosts by values alone, and the operator's terminal and log are theirs.
        string[] expected =
        [
            "src/PsVm.Memory/Native/LibC.Beneath.cs", "src/PsVm.Memory/Native/LibC.cs", "src/PsVm.Module/Guests/Consoles/Terminal.cs",
            "src/PsVm.Module/Hosting/Logs/LogFile.cs", "src/PsVm.Riscv/Memory/HostPages.cs",
        ];
        string[] bound = [.. Sources("src").Concat(Sources("module")).Concat(Sources("examples"))
            .Where(file => NativeBinding().IsMatch(File.ReadAllText(file)))
            .Select(file => Path.GetRelativePath(Repository.Path, file)).Order(StringComparer.Ordinal)];

        Assert.Equal(expected, bound);
    }

    [Fact]
    public void Lines_are_as_long_as_the_editorconfig_lets_them()
    {
        int most = int.Parse(MostCharacters().Match(File.ReadAllText(Path.Combine(Repository.Path, ".editorconfig"))).Groups[1].Value);
        List<string> longer = [];
        foreach (string file in Sources("src").Concat(Sources("tests")).Concat(Sources("examples")))
        {
            bool isRaw = false; // what stands in a raw string is as long as it must be
            foreach ((int number, string line) in File.ReadLines(file).Index())
            {
                int quotes = line.Split("\"\"\"").Length - 1;
                if (line.Length > most && !isRaw && quotes == 0)
                {
                    longer.Add($"{Path.GetRelativePath(Repository.Path, file)}:{number + 1}: {line.Length} characters");
                }

                isRaw ^= quotes % 2 != 0;
            }
        }

        Assert.Empty(longer);
    }

    private static IEnumerable<string> Sources(string folder) =>
        Directory.EnumerateFiles(Path.Combine(Repository.Path, folder), "*.cs", SearchOption.AllDirectories)
            .Where(file => !file.Contains("/obj/", StringComparison.Ordinal) && !file.Contains("/bin/", StringComparison.Ordinal));

    [GeneratedRegex(@"\b(LibraryImport|DllImport|NativeLibrary|GetDelegateForFunctionPointer)\b")]
    private static partial Regex NativeBinding();

    [GeneratedRegex(@"^max_line_length = (\d+)$", RegexOptions.Multiline)]
    private static partial Regex MostCharacters();

    [GeneratedRegex(@"^namespace ([\w.]+);", RegexOptions.Multiline)]
    private static partial Regex Namespace();
}
