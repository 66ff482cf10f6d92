using System.Management.Automation;
using System.Management.Automation.Language;
using System.Management.Automation.Runspaces;
using PsVm.Module.Output;

namespace PsVm.Module.Hosting;

/// <summary>
/// How PsVm's objects look, their views and columns: a session gets them with the first cmdlet it runs, and not when it imports.
/// </summary>
/// <remarks>
/// What reads them is PowerShell's own code, which must be compiled first where PowerShell is a .NET tool: a third of an import that reads
/// them. It is compiled in the background while the importer goes on.
/// </remarks>
internal static class SessionViews
{
    private const string Name = "PsVm.Views";

    // The import comes first, and what follows at once: both are disturbed where processors are few.
    private static readonly TimeSpan s_untilWarm = TimeSpan.FromMilliseconds(50);

    private static int s_isRead;

    /// <summary>Has what reads views compiled in the background, unless they are needed sooner; once in a process.</summary>
    public static void Warm()
    {
        if (Volatile.Read(ref s_isRead) == 0)
        {
            new Thread(ReadApart) { IsBackground = true, Name = Name }.Start();
        }
    }

    /// <summary>Gives the session its views, unless it has them. They go with the module, when that is removed.</summary>
    /// <param name="module">
    /// The module that a cmdlet is of; null: it came by itself, and what it gives looks as PowerShell thinks best.
    /// </param>
    public static void Load(PSModuleInfo? module)
    {
        if (module?.SessionState is not null && !(module.NestedModules.Any(nested => nested.Name == Name) && AreLoaded()))
        {
            Volatile.Write(ref s_isRead, 1);
            string path = CodeGeneration.EscapeSingleQuotedStringContent(WildcardPattern.Escape(PathOf($"{Name}.psd1")));
            // In the module, so that it is a part of it; not verbose when the operator's cmdlet is.
            module.Invoke(ScriptBlock.Create($"Import-Module '{path}' -Verbose:$false -ErrorAction Stop"));
        }
    }

    // What the session says of such an object: a module that has PsVm as a part of it may have taken them away.
    private static bool AreLoaded()
    {
        PSObject backend = new();
        backend.TypeNames.Insert(0, typeof(MemoryBackendInfo).FullName);
        return backend.Properties[nameof(Columns.Backing)] is not null;
    }

    // Tables of no session: what counts is that they have been read.
    private static void ReadApart()
    {
        Thread.Sleep(s_untilWarm);
        if (Interlocked.Exchange(ref s_isRead, 1) != 0)
        {
            return;
        }

        try
        {
            _ = new FormatTable([PathOf("PsVm.Format.ps1xml")]);
            _ = new TypeTable([PathOf("PsVm.Types.ps1xml")]);
        }
        catch (Exception failure) when (failure is RuntimeException or IOException or UnauthorizedAccessException)
        {
            // The first cmdlet says what is wrong with them.
        }
    }

    private static string PathOf(string file) => Path.Combine(Path.GetDirectoryName(typeof(SessionViews).Assembly.Location)!, file);
}
