using System.Diagnostics;
using System.Reflection;

namespace PsVm.Module.Tests;

/// <summary>Runs the Pester suite in a fresh pwsh against the module as build.ps1 publishes it.</summary>
public class PesterSuiteTests
{
    private static readonly string Repository = FindRepository();

    [SkippableFact]
    public void The_Pester_suite_passes_against_the_built_module()
    {
        string? pwsh = Environment.GetEnvironmentVariable("PATH")?.Split(Path.PathSeparator)
            .Select(folder => Path.Combine(folder, "pwsh")).FirstOrDefault(File.Exists);
        Skip.If(pwsh is null, "pwsh is not on the PATH");
        string[] versions = Run(pwsh!, "-NoProfile", "-Command", """
            $pester = Get-Module Pester -ListAvailable | Sort-Object Version | Select-Object -Last 1
            '{0}.{1}' -f $PSVersionTable.PSVersion.Major, $PSVersionTable.PSVersion.Minor
            '{0}.{1}' -f [int] $pester.Version.Major, [int] $pester.Version.Minor
            """).Output.Split('\n');
        Skip.If(Version.Parse(versions[0]) < new Version(7, 6), $"the module needs PowerShell 7.6; pwsh on the PATH is {versions[0]}");
        Skip.If(Version.Parse(versions[1]) < new Version(5, 0), $"pwsh finds no Pester 5; found {versions[1]}");

        DirectoryInfo folder = Directory.CreateTempSubdirectory("psvm-module");
        try
        {
            string module = Path.Combine(folder.FullName, "PsVm");
            string configuration = typeof(PesterSuiteTests).Assembly.GetCustomAttribute<AssemblyConfigurationAttribute>()!.Configuration;
            string build = Path.Combine(Repository, "build.ps1");
            (int exitCode, string output) = Run(
                pwsh!, "-NoProfile", "-File", build, "-Configuration", configuration, "-OutputPath", module, "-NoBuild");
            Assert.True(exitCode == 0, output);

            (exitCode, output) = Run(
                pwsh!, "-NoProfile", "-File", Path.Combine(Repository, "tests", "Pester", "Invoke-Suite.ps1"), "-ModulePath", module);
            Assert.True(exitCode == 0, output);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static (int ExitCode, string Output) Run(string program, params string[] arguments)
    {
        ProcessStartInfo start = new(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };

        // A build node that stays behind would keep our end of the pipe open; colours would hide the words of a failure.
        start.Environment["MSBUILDDISABLENODEREUSE"] = "1";
        start.Environment["NO_COLOR"] = "1";
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd() + errors.Result;
        process.WaitForExit();
        return (process.ExitCode, output.Trim());
    }

    private static string FindRepository()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "PsVm.sln")))
        {
            folder = folder.Parent;
        }

        return folder?.FullName ?? throw new InvalidOperationException("PsVm.sln is in no folder above the tests.");
    }
}
