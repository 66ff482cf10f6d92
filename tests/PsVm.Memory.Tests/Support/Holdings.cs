using System.Globalization;

namespace PsVm.Memory.Tests.Support;

/// <summary>What this process holds that a failed open could have left: descriptors, mappings, files. For tests that run alone.</summary>
internal static class Holdings
{
    /// <summary>Checks that an action leaves nothing behind: no file in the folder, no descriptor, no mapping of 160 MiB or more.</summary>
    public static void AssertUnchanged(string folder, Action action)
    {
        const long noise = 160L << 20; // a thread of the runtime's own begins with 64 MiB of addresses for what it allocates
        var files = Files(folder);
        var descriptors = Descriptors(folder);
        var mappings = Mappings(folder);
        var addressSpace = AddressSpace();
        action();
        Assert.Equal(files, Files(folder));
        Assert.Equal(descriptors, Descriptors(folder));
        Assert.Equal(mappings, Mappings(folder));
        Assert.True(AddressSpace() - addressSpace < noise, $"the process grew by {AddressSpace() - addressSpace} bytes");
    }

    public static List<string> Descriptors(string folder) => Directory.EnumerateFiles("/proc/self/fd")
        .Select(fd => new FileInfo(fd).LinkTarget).OfType<string>().Where(target => IsOurs(target, folder)).Order().ToList();

    private static List<string> Mappings(string folder) =>
        File.ReadLines("/proc/self/maps").Where(line => IsOurs(line, folder)).Order().ToList();

    private static bool IsOurs(string text, string folder) =>
        text.Contains(folder, StringComparison.Ordinal) || text.Contains("memfd:ram", StringComparison.Ordinal);

    private static List<(string, long)> Files(string folder) => Directory
        .EnumerateFileSystemEntries(folder, "*", new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = 0 })
        .Select(path => (path, new FileInfo(path) is { Exists: true } file ? file.Length : -1)).Order().ToList();

    private static long AddressSpace() =>
        long.Parse(File.ReadAllText("/proc/self/statm").Split(' ')[0], CultureInfo.InvariantCulture) * Environment.SystemPageSize;
}
