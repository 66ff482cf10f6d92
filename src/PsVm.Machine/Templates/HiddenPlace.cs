using Mono.Unix.Native;
using PsVm.Machine.Board;
using PsVm.Memory;

namespace PsVm.Machine.Templates;

/// <summary>Where a template is written that nobody names.</summary>
internal static class HiddenPlace
{
    /// <summary>
    /// The folder beside the guest's RAM file, or beside the template that it is of, where blocks can be shared; else the one for temporary
    /// files.
    /// </summary>
    public static string Of(GuestRam ram, FolderCalls calls)
    {
        string? file = ram.Backends.FirstOrDefault(backend => backend.File is not null)?.Outcome.Path;
        string? folder = Path.GetDirectoryName(file);
        if (folder is not null && TemplateLeftovers.IsTemplate(folder))
        {
            folder = Path.GetDirectoryName(folder);
        }

        bool canWrite = folder is not null && Syscall.access(folder, AccessModes.W_OK | AccessModes.X_OK) == 0
            && !calls.IsHugetlbfs(folder);
        return canWrite ? folder! : TemplateSource.FullPath(Path.GetTempPath());
    }
}
