using System.Runtime.CompilerServices;

namespace PsVm.Machine.Tests.Support;

/// <summary>What tests verify is not remembered where the user's processes look.</summary>
internal static class TestCaches
{
    private const string Marker = "PSVM_TEST_CACHES";

    [ModuleInitializer]
    internal static void Begin()
    {
        if (Environment.GetEnvironmentVariable(Marker) is not null)
        {
            return; // a helper process, which has its test's
        }

        string folder = Directory.CreateTempSubdirectory("psvm-test-cache-").FullName;
        Environment.SetEnvironmentVariable(Marker, folder);
        Environment.SetEnvironmentVariable("XDG_CACHE_HOME", folder);
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Directory.Delete(folder, recursive: true);
    }
}
