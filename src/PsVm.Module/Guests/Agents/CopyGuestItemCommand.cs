using System.Diagnostics;
using System.Management.Automation;
using System.Text.RegularExpressions;
using PsVm.Module.Completion;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Guests.Agents;

/// <summary>Copies files between the host and guests, by their agents.</summary>
[Cmdlet(VerbsCommon.Copy, "GuestItem", SupportsShouldProcess = true)]
[OutputType(typeof(GuestFileCopy))]
public sealed partial class CopyGuestItemCommand : PsVmCmdlet
{
    // What a guest's file may have at most; /dev/zero has no end.
    private const long MostBytes = 64L << 30;

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

    internal static void CopyTo(
        IReadOnlyList<GuestReference> guests, string hostPath, string guestPath, IGuestHost host, ICmdletOutput output, CancellationToken cancellation)
    {
        string path = guestPath.EndsWith('/') ? guestPath + System.IO.Path.GetFileName(hostPath) : guestPath;
        Copy(
            guests,
            guest => $"Copy '{hostPath}' to '{path}' in guest '{guest}'",
            guest => host.Agents.CopyToAsync(guest, hostPath, path, cancellation),
            (hostPath, path),
            host,
            output,
            cancellation);
    }

    internal static void CopyFrom(
        IReadOnlyList<GuestReference> guests, string guestPath, string hostPath, IGuestHost host, ICmdletOutput output, CancellationToken cancellation)
    {
        string name = guestPath[(guestPath.LastIndexOf('/') + 1)..];
        bool isFolder = hostPath.EndsWith('/') || Directory.Exists(hostPath);
        if (name.Length == 0 || guests.Count > 1)
        {
            throw new CmdletException(
                ModuleErrorIds.CopyPathInvalid,
                $"Expected a file of one guest, found {(name.Length == 0 ? $"the folder '{guestPath}'" : $"{guests.Count} guests for one file of the host")}.",
                guestPath,
                "Name the file, and copy from each guest to a place of its own: Get-Guest web-* | % { Copy-GuestItem \"$($_.Name):/path\" \"./$($_.Name)\" }.");
        }

        string path = isFolder ? System.IO.Path.Combine(hostPath, name) : hostPath;
        Copy(
            guests,
            guest => $"Copy '{guestPath}' of guest '{guest}' to '{path}'",
            guest => host.Agents.CopyFromAsync(guest, guestPath, path, MostBytes, cancellation),
            (path, guestPath),
            host,
            output,
            cancellation);
    }

    private protected override CmdletWork Bind()
    {
        (string? toGuest, string to) = Split(Destination!);
        List<CmdletWork> works = [];
        foreach (string item in Path)
        {
            (string? fromGuest, string from) = Split(item);
            if ((fromGuest is null) == (toGuest is null))
            {
                throw new CmdletException(
                    ModuleErrorIds.CopyPathInvalid,
                    $"Expected one of both to be a guest's, as guest:/path, found '{VisibleText.Of(item)}' and '{VisibleText.Of(Destination!)}'.",
                    item,
                    "Copy-GuestItem web:/etc/hosts ./ fetches a file; Copy-GuestItem ./hosts web:/etc/hosts brings one.");
            }

            string hostPath = ResolvePath(fromGuest is null ? from : to)!;
            hostPath = fromGuest is not null && to.EndsWith('/') && !hostPath.EndsWith('/') ? hostPath + '/' : hostPath;
            works.Add(Selection.OnGuests([fromGuest ?? toGuest!], fromGuest is null
                ? (guests, host, output, cancellation) => CopyTo(guests, hostPath, to, host, output, cancellation)
                : (guests, host, output, cancellation) => CopyFrom(guests, from, hostPath, host, output, cancellation)));
        }

        return (output, cancellation) => CmdletWorks.ForEach(works, output, work => work(output, cancellation), cancellation);
    }

    private static void Copy(
        IReadOnlyList<GuestReference> guests,
        Func<GuestReference, string> describe,
        Func<GuestReference, Task<long>> copy,
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
            (guest, bytes) => output.WriteObject(new GuestFileCopy(guest.Name, paths.Guest, paths.Host, bytes, Stopwatch.GetElapsedTime(began))),
            output,
            cancellation);
    }

    /// <summary>A guest, or a pattern, and a path of its; no guest: a path of the host's.</summary>
    private static (string? Guest, string Path) Split(string text) =>
        OfGuest().Match(text) is { Success: true } found ? (found.Groups[1].Value, found.Groups[2].Value) : (null, text);

    [GeneratedRegex(@"^([A-Za-z0-9._*?\[\]-]+):(/.*)$", RegexOptions.Singleline)]
    private static partial Regex OfGuest();
}
