using System.Diagnostics;
using System.Management.Automation;
using System.Text.RegularExpressions;
using PsVm.Module.Completion;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Guests.Agents;

/// <summary>Copies files and folders between the host and guests, by their agents.</summary>
[Cmdlet(VerbsCommon.Copy, "GuestItem", SupportsShouldProcess = true)]
[OutputType(typeof(GuestFileCopy))]
public sealed partial class CopyGuestItemCommand : PsVmCmdlet
{
    // What a guest's file, or all files of a folder of its, may have at most; /dev/zero has no end.
    private const long MostBytes = 64L << 30;

    // So many paths that were left out are named, of each guest.
    private const int MostNamed = 10;

    /// <summary>What is copied: files of the host, or a guest's as guest:/path.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    [Alias("From", "FullName", "PSPath")]
    public string[] Path { get; set; } = [];

    /// <summary>Where it is copied to: a file or folder of the host, or of guests as guest:/path or pattern:/path.</summary>
    [Parameter(Mandatory = true, Position = 1)]
    [ValidateNotNullOrEmpty]
    [Alias("To")]
    public string? Destination { get; set; }

    /// <summary>Copies folders, too, with all that is in them.</summary>
    [Parameter]
    public SwitchParameter Recurse { get; set; }

    internal static void CopyTo(
        IReadOnlyList<GuestReference> guests,
        string hostPath,
        string guestPath,
        bool recurses,
        IGuestHost host,
        ICmdletOutput output,
        CancellationToken cancellation)
    {
        string from = System.IO.Path.TrimEndingDirectorySeparator(hostPath);
        bool isFolder = Directory.Exists(from);
        if (isFolder && !recurses)
        {
            throw new CmdletException(
                ModuleErrorIds.CopyPathInvalid,
                $"Expected a file, found the folder '{from}'.",
                from,
                "Copy it with all that is in it by -Recurse.");
        }

        string path = guestPath.EndsWith('/') ? guestPath + System.IO.Path.GetFileName(from) : guestPath;
        Copy(
            guests,
            guest => $"Copy '{hostPath}' to '{path}' in guest '{guest}'",
            guest => isFolder
                ? host.Agents.CopyFolderToAsync(guest, from, path, cancellation)
                : OfFile(host.Agents.CopyToAsync(guest, hostPath, path, cancellation)),
            (hostPath, path),
            host,
            output,
            cancellation);
    }

    internal static void CopyFrom(
        IReadOnlyList<GuestReference> guests,
        string guestPath,
        string hostPath,
        bool recurses,
        IGuestHost host,
        ICmdletOutput output,
        CancellationToken cancellation)
    {
        string from = recurses ? guestPath.TrimEnd('/') : guestPath;
        string name = from[(from.LastIndexOf('/') + 1)..];
        bool isFolder = hostPath.EndsWith('/') || Directory.Exists(hostPath);
        if (name is "" or "." or ".." || guests.Count > 1)
        {
            string found = guests.Count > 1 ? $"{guests.Count} guests for one place of the host" : $"the folder '{guestPath}'";
            throw new CmdletException(
                ModuleErrorIds.CopyPathInvalid,
                recurses
                    ? $"Expected a file or a folder with a name, of one guest, found {found}."
                    : $"Expected a file of one guest, found {found}.",
                guestPath,
                "Name the file, or the folder with -Recurse, and copy from each guest to a place of its own: Get-Guest web-* | % { "
                    + "Copy-GuestItem \"$($_.Name):/path\" \"./$($_.Name)\" }.");
        }

        string path = isFolder ? System.IO.Path.Combine(hostPath, name) : hostPath;
        Copy(
            guests,
            guest => $"Copy '{from}' of guest '{guest}' to '{path}'",
            guest => recurses
                ? host.Agents.CopyFolderFromAsync(guest, from, path, MostBytes, cancellation)
                : OfFile(host.Agents.CopyFromAsync(guest, from, path, MostBytes, cancellation)),
            (path, from),
            host,
            output,
            cancellation);
    }

    private protected override CmdletWork Bind()
    {
        bool recurses = Recurse;
        (string? toGuest, string to) = Split(Destination!);
        List<CmdletWork> works = [];
        foreach (string item in Path)
        {
            (string? fromGuest, string from) = Split(item);
            if ((fromGuest is null) == (toGuest is null))
            {
                throw new CmdletException(
                    ModuleErrorIds.CopyPathInvalid,
                    $"Expected one of both to be a guest's, as guest:/path, found '{VisibleText.Of(item)}' and "
                        + $"'{VisibleText.Of(Destination!)}'.",
                    item,
                    "Copy-GuestItem web:/etc/hosts ./ fetches a file; Copy-GuestItem ./hosts web:/etc/hosts brings one.");
            }

            string hostPath = ResolvePath(fromGuest is null ? from : to)!;
            hostPath = fromGuest is not null && to.EndsWith('/') && !hostPath.EndsWith('/') ? hostPath + '/' : hostPath;
            works.Add(Selection.OnGuests([fromGuest ?? toGuest!], fromGuest is null
                ? (guests, host, output, cancellation) => CopyTo(guests, hostPath, to, recurses, host, output, cancellation)
                : (guests, host, output, cancellation) => CopyFrom(guests, from, hostPath, recurses, host, output, cancellation)));
        }

        return (output, cancellation) => CmdletWorks.ForEach(works, output, work => work(output, cancellation), cancellation);
    }

    private static void Copy(
        IReadOnlyList<GuestReference> guests,
        Func<GuestReference, string> describe,
        Func<GuestReference, Task<GuestFolderCopy>> copy,
        (string Host, string Guest) paths,
        IGuestHost host,
        ICmdletOutput output,
        CancellationToken cancellation)
    {
        GuestReference[] agreed = [.. guests.Where(guest => output.ShouldProcess(() => describe(guest), () => host.Agents.Check(guest)))];
        long began = Stopwatch.GetTimestamp();
        AgentWorks.ForEach(
            agreed,
            AgentWorks.Throttle,
            copy,
            (guest, copied) =>
            {
                WarnOfSkipped(guest, copied.Skipped, output);
                output.WriteObject(
                    new GuestFileCopy(
                        guest.Name, paths.Guest, paths.Host, copied.Bytes, Stopwatch.GetElapsedTime(began)) { Items = copied.Items });
            },
            output,
            cancellation);
    }

    private static async Task<GuestFolderCopy> OfFile(Task<long> copy) => new(await copy.ConfigureAwait(false), 1);

    private static void WarnOfSkipped(GuestReference guest, IReadOnlyList<string> skipped, ICmdletOutput output)
    {
        if (skipped.Count > 0)
        {
            string more = skipped.Count > MostNamed ? $" and {skipped.Count - MostNamed} more" : string.Empty;
            output.WriteWarning(
                $"Not copied, guest '{guest.Name}': {string.Join(", ", skipped.Take(MostNamed).Select(path => $"'{path}'"))}{more}. They "
                + "are neither files, folders nor "
                + "links, cannot be read, have gone, or have names that are no UTF-8.");
        }
    }

    /// <summary>A guest, or a pattern, and a path of its; no guest: a path of the host's.</summary>
    private static (string? Guest, string Path) Split(string text) =>
        OfGuest().Match(text) is { Success: true } found ? (found.Groups[1].Value, found.Groups[2].Value) : (null, text);

    [GeneratedRegex(@"^([A-Za-z0-9._*?\[\]-]+):(/.*)$", RegexOptions.Singleline)]
    private static partial Regex OfGuest();
}
