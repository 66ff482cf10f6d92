using PsVm.Machine.Guests;
using PsVm.Machine.Templates;
using PsVm.Memory;

namespace PsVm.Fuzz;

/// <summary>A template on a file system in memory whose description and state are replaced.</summary>
/// <param name="Path">Its folder.</param>
/// <param name="Id">Its id.</param>
/// <param name="Manifest">Its description, as it was.</param>
/// <param name="State">Its machine state, as it was.</param>
internal sealed record ReplacedTemplate(string Path, Guid Id, byte[] Manifest, byte[] State);

/// <summary>
/// A folder on a file system in memory with a template of the embedded guest that stays whole, and others that are replaced: one that
/// stands alone, and one that holds what a clone of the first changed.
/// </summary>
internal sealed class TemplateFiles : IDisposable
{
    private const string Whole = "whole";
    private const long Memory = 4 << 20;

    private readonly string _folder = Path.Combine("/dev/shm", $"psvm-fuzz-{Environment.ProcessId}");
    private readonly MemoryBackends _backends = new(_ => null);
    private readonly GuestHost _host;

    public TemplateFiles()
    {
        _host = new GuestHost(_backends);
        Directory.CreateDirectory(_folder);
        GuestInfo guest = _host.Start(new GuestOptions { Memory = Memory }, CancellationToken.None);
        if (!_host.WaitForText(guest.Name, "GUEST-UP", TimeSpan.FromMinutes(1), CancellationToken.None))
        {
            throw new InvalidOperationException("the embedded guest did not come up");
        }

        GuestTemplate whole = Make(guest.Name, Whole, differential: false), alone = Make(guest.Name, "alone", differential: false);
        End(guest.Name);
        string clone = _host.Start(new GuestOptions { Template = whole.Path }, CancellationToken.None).Name;
        GuestTemplate changed = Make(clone, "changed", differential: true);
        End(clone);
        Replaced = [Read(alone), Read(changed)];
        foreach (ReplacedTemplate template in Replaced)
        {
            CheckAgreement(template, template.Manifest, template.State, verify: true);
        }
    }

    /// <summary>The templates that may be replaced.</summary>
    public IReadOnlyList<ReplacedTemplate> Replaced { get; }

    /// <summary>Puts a description and a state in place, and does what operators do.</summary>
    /// <exception cref="WrongException">Test and Start differ, or the other template is not told of.</exception>
    public void CheckAgreement(ReplacedTemplate template, byte[] manifest, byte[] state, bool verify)
    {
        Replace(Path.Combine(template.Path, TemplateSource.ManifestFile), manifest);
        Replace(Path.Combine(template.Path, TemplateSource.StateFileName), state);
        WrongException.ThrowIfNot(
            GuestTemplates.List(_folder).Any(listed => listed.Template is not null && listed.Name == Whole),
            "the template that is whole is not listed");
        TemplateReport report = GuestTemplates.Test(template.Path, verify);
        string? error = Start(template.Path, verify);
        WrongException.ThrowIfNot(
            report.IsValid == error is null,
            $"Test: {(report.IsValid ? "valid" : string.Join(", ", report.Errors))}; Start: {error ?? "started"}");
    }

    public void Dispose()
    {
        _host.Dispose();
        _backends.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    /// <returns>The error; null: it started.</returns>
    private string? Start(string path, bool verify)
    {
        try
        {
            End(_host.Start(new GuestOptions { Template = path, Verify = verify }, CancellationToken.None).Name);
            return null;
        }
        catch (PsVmException error)
        {
            return $"{error.ErrorId}: {error.Message}";
        }
    }

    private GuestTemplate Make(string guest, string name, bool differential) => _host.Checkpoint(
        guest,
        new CheckpointOptions { Path = Path.Combine(_folder, name), Digest = true, Differential = differential },
        null,
        CancellationToken.None);

    private void End(string guest)
    {
        _host.Stop(guest);
        _host.Remove(guest);
    }

    private static ReplacedTemplate Read(GuestTemplate template) => new(
        template.Path,
        template.Id,
        File.ReadAllBytes(Path.Combine(template.Path, TemplateSource.ManifestFile)),
        File.ReadAllBytes(Path.Combine(template.Path, TemplateSource.StateFileName)));

    // The files of templates are read-only.
    private static void Replace(string path, byte[] content)
    {
        File.Delete(path);
        File.WriteAllBytes(path, content);
    }
}
