using PsVm.Machine.Guests;
using PsVm.Machine.Templates;
using PsVm.Memory;

namespace PsVm.Fuzz;

/// <summary>
/// A folder with a template of the embedded guest that stays whole, and one whose description and state are replaced, on a file system in
/// memory.
/// </summary>
internal sealed class TemplateFiles : IDisposable
{
    private const string Whole = "whole", Altered = "altered";
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

        foreach (string name in (string[])[Whole, Altered])
        {
            Id = _host.Checkpoint(
                guest.Name, new CheckpointOptions { Path = Path.Combine(_folder, name), Digest = true }, null, CancellationToken.None).Id;
        }

        End(guest.Name);
        Manifest = File.ReadAllBytes(At(TemplateSource.ManifestFile));
        State = File.ReadAllBytes(At(TemplateSource.StateFileName));
        CheckAgreement(Manifest, State);
    }

    /// <summary>The description of the template that is replaced, as it was.</summary>
    public byte[] Manifest { get; }

    /// <summary>Its machine state.</summary>
    public byte[] State { get; }

    /// <summary>Its id.</summary>
    public Guid Id { get; }

    /// <summary>Puts a description and a state in place, and does what operators do.</summary>
    /// <exception cref="WrongException">Test and Start differ, or the other template is not told of.</exception>
    public void CheckAgreement(byte[] manifest, byte[] state)
    {
        Replace(TemplateSource.ManifestFile, manifest);
        Replace(TemplateSource.StateFileName, state);
        WrongException.ThrowIfNot(
            GuestTemplates.List(_folder).Any(template => Path.GetFileName(template.Path) == Whole), "the template that is whole is not listed");
        TemplateReport report = GuestTemplates.Test(Path.Combine(_folder, Altered));
        string? error = Start();
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
    private string? Start()
    {
        try
        {
            End(_host.Start(new GuestOptions { Template = Path.Combine(_folder, Altered) }, CancellationToken.None).Name);
            return null;
        }
        catch (PsVmException error)
        {
            return $"{error.ErrorId}: {error.Message}";
        }
    }

    // The files of templates are read-only.
    private void Replace(string file, byte[] content)
    {
        File.Delete(At(file));
        File.WriteAllBytes(At(file), content);
    }

    private void End(string guest)
    {
        _host.Stop(guest);
        _host.Remove(guest);
    }

    private string At(string file) => Path.Combine(_folder, Altered, file);
}
