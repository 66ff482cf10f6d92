using System.Collections.Concurrent;
using System.Diagnostics;
using System.Reflection;
using PsVm.Tests;
using Xunit.Abstractions;

namespace PsVm.Module.Tests;

/// <summary>Runs the Pester suite in a fresh pwsh against the module as build.ps1 publishes it.</summary>
/// <remarks>Both pwsh and Pester are pinned: a .NET tool of this repository, and a package of this project.</remarks>
public class PesterSuiteTests(ITestOutputHelper output)
{
    // More than CPUs, so that all are busy to the end; a guest of one process is none of another's.
    private const int Parts = 8;

    // Files that take most of the time: those begin first, so that none of them is left alone at the end.
    private static readonly string[] s_longest = ["Help", "Module", "BindingTable", "Examples", "Jobs", "Enter-GuestConsole", "BadInput"];

    private static readonly Assembly Tests = typeof(PesterSuiteTests).Assembly;

    [Fact]
    public void The_Pester_suite_passes_against_the_built_module()
    {
        (int exitCode, string said) = Run("tool", "restore");
        Assert.True(exitCode == 0, $"pwsh, a tool in .config/dotnet-tools.json, cannot be restored:\n{said}");

        DirectoryInfo folder = Directory.CreateTempSubdirectory("psvm-module");
        try
        {
            string module = Path.Combine(folder.FullName, "PsVm");
            string configuration = Tests.GetCustomAttribute<AssemblyConfigurationAttribute>()!.Configuration;
            (exitCode, said) = RunScript("build.ps1", "-Configuration", configuration, "-OutputPath", module, "-NoBuild");
            Assert.True(exitCode == 0, said);

            string pester = Tests.GetCustomAttributes<AssemblyMetadataAttribute>().Single(pair => pair.Key == "PesterPath").Value!;
            string[] files = Directory.GetFiles(Path.Combine(Repository.Path, "tests", "Pester"), "*.Tests.ps1");
            Array.Sort(files, StringComparer.Ordinal);
            IEnumerable<string> first = s_longest.Select(name => files.Single(file => Path.GetFileName(file) == $"{name}.Tests.ps1"));
            string[] inOrder = [.. first.Union(files)];
            ConcurrentBag<(int ExitCode, string Said)> parts = [];
            Parallel.ForEach(
                Partitioner.Create(
                    inOrder.Index().GroupBy(file => file.Index % Parts, file => file.Item), EnumerablePartitionerOptions.NoBuffering),
                new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount },
                part => parts.Add(RunScript(
                    Path.Combine("tests", "Pester", "Invoke-Suite.ps1"), ["-ModulePath", module, "-PesterPath", pester, .. part])));

            // The gate reads the skipped tests and their reasons from this test's output.
            said = string.Join('\n', parts.Select(part => part.Said));
            output.WriteLine(said);
            Assert.True(parts.All(part => part.ExitCode == 0), said);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static (int ExitCode, string Output) RunScript(string script, params string[] arguments) =>
        Run(["tool", "run", "pwsh", "-NoProfile", "-File", Path.Combine(Repository.Path, script), .. arguments]);

    private static (int ExitCode, string Output) Run(params string[] arguments)
    {
        ProcessStartInfo start = new("dotnet", arguments)
        {
            WorkingDirectory = Repository.Path,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };

        // A build node that stays behind would keep our end of the pipe open; colours would hide the words of a failure.
        start.Environment["MSBUILDDISABLENODEREUSE"] = "1";
        start.Environment["NO_COLOR"] = "1";
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd() + errors.Result;
        process.WaitForExit();
        return (process.ExitCode, output.Trim());
    }
}
