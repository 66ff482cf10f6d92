using System.Globalization;

namespace PsVm.Memory.Mapping;

/// <summary>Whether this host backs anonymous memory with huge pages unasked (the kernel's admin-guide/mm/transhuge).</summary>
internal static class TransparentHugePages
{
    private const string Folder = "/sys/kernel/mm/transparent_hugepage";

    /// <summary>The most bytes that a page fault in anonymous memory brings; as it was when first asked.</summary>
    public static long BytesPerFault { get; } = Read();

    private static long Read()
    {
        try
        {
            return File.ReadAllText($"{Folder}/enabled").Contains("[always]", StringComparison.Ordinal)
                ? long.Parse(File.ReadAllText($"{Folder}/hpage_pmd_size"), CultureInfo.InvariantCulture)
                : Environment.SystemPageSize;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException or FormatException)
        {
            return Environment.SystemPageSize; // a kernel without them
        }
    }
}
