using PsVm.Machine.Templates;

namespace PsVm.Machine.Guests;

/// <summary>Templates that nobody named: each goes with the last guest that was started from it. Safe from any thread.</summary>
/// <param name="guests">The guests.</param>
internal sealed class HiddenTemplates(GuestTable guests) : IDisposable
{
    private readonly Lock _gate = new();

    // By path; true: whoever made it may start more guests from it.
    private readonly Dictionary<string, (TemplateFolder Folder, bool IsOffered)> _templates = [];

    /// <summary>Keeps one until it is released, and no guest is of it.</summary>
    public GuestTemplate Keep((GuestTemplate Template, TemplateFolder Folder) made)
    {
        lock (_gate)
        {
            _templates.Add(made.Template.Path, (made.Folder, true));
        }

        return made.Template;
    }

    /// <summary>Nobody starts more guests from one.</summary>
    public void Release(string path)
    {
        lock (_gate)
        {
            if (_templates.TryGetValue(path, out (TemplateFolder Folder, bool IsOffered) hidden))
            {
                _templates[path] = hidden with { IsOffered = false };
            }
        }

        Sweep();
    }

    /// <summary>Removes those that no guest is of, after a guest has gone.</summary>
    public void Sweep()
    {
        List<TemplateFolder> unused = [];
        lock (_gate)
        {
            if (_templates.Count == 0)
            {
                return;
            }

            HashSet<string?> used = [.. guests.All.Select(guest => guest.Options.Template)];
            foreach ((string path, (TemplateFolder folder, bool isOffered)) in _templates.ToArray())
            {
                if (!isOffered && !used.Contains(path))
                {
                    _templates.Remove(path);
                    unused.Add(folder);
                }
            }
        }

        // Not under the gate, which everybody takes who removes a guest: a large file takes its time, and a dead server all of it.
        unused.ForEach(folder => folder.Dispose());
    }

    /// <summary>Removes all.</summary>
    public void Dispose()
    {
        TemplateFolder[] all;
        lock (_gate)
        {
            all = [.. _templates.Values.Select(hidden => hidden.Folder)];
            _templates.Clear();
        }

        Array.ForEach(all, folder => folder.Dispose());
    }
}
