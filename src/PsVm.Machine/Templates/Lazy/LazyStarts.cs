using System.Collections.Concurrent;
using PsVm.Memory;

namespace PsVm.Machine.Templates.Lazy;

/// <summary>The copies of templates that guests of a host run on while they are made. Safe from any thread.</summary>
/// <param name="openSource">Opens what is copied, by its path.</param>
/// <param name="calls">The kernel.</param>
/// <param name="ended">Told of each that has ended, well or not.</param>
internal sealed class LazyStarts(Func<string, ILazySource> openSource, Func<FolderCalls> calls, Action<GuestFill> ended) : IDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(1);

    private readonly Lock _gate = new();

    // Whoever makes one, for as long as its source takes to be opened: by destination, or by the template's id.
    private readonly ConcurrentDictionary<string, SemaphoreSlim> _opening = new();
    private readonly List<Copy> _copies = [];

    /// <summary>Checks what can be checked without looking at anything.</summary>
    /// <exception cref="GuestException">A lazy start of something that is no template, or a destination without one.</exception>
    public static void CheckOptions(GuestOptions options)
    {
        if (options is { Lazy: true, Template: null } or { Lazy: false, Destination: not null })
        {
            throw new GuestException(
                GuestErrorIds.TemplateOptionConflict,
                options.Lazy
                    ? $"Expected a template with {nameof(options.Lazy)}, found none."
                    : $"Expected {nameof(options.Lazy)} with {nameof(options.Destination)}, found that it is not asked for.",
                options.Destination ?? options.Name,
                options.Lazy ? "Give a template, or leave out Lazy." : "Start the guest lazily, or leave out Destination.");
        }
    }

    /// <summary>What is asked for where the copy of an earlier lazy start is a template by now: a clone of that one.</summary>
    /// <exception cref="GuestException">Another template is there.</exception>
    public static GuestOptions Resolve(GuestOptions options)
    {
        if (options is not { Lazy: true, Template: { } template } || DestinationOf(options) is not { } path || !GuestTemplates.Exists(path))
        {
            return options;
        }

        Guid id = TemplateSource.ReadDescription(path).Id;
        return !GuestTemplates.Exists(template) || TemplateSource.ReadDescription(template).Id == id
            ? options with { Template = path, Lazy = false, Destination = null }
            : throw TemplatePlace.InUse(path, $"a template that is no copy of '{template}'");
    }

    /// <summary>Finds out whether guests can be started lazily so.</summary>
    /// <param name="options">What is asked for.</param>
    /// <param name="template">The template.</param>
    /// <param name="backends">Where RAM comes from.</param>
    /// <exception cref="GuestException">The template cannot be copied so, or not to there.</exception>
    /// <exception cref="MemoryBackendException">Its RAM could not be that of a destination of post-copy.</exception>
    public void Check(GuestOptions options, GuestTemplate template, MemoryBackends backends)
    {
        CheckTemplate(template);
        foreach (TemplateRamBlock block in template.RamBlocks.Where(block => !block.ReadOnly))
        {
            backends.CheckConsumer(TemplateRam.OptionsOf(options, block, block.File), block.BackendId, MemoryConsumer.PostCopyDestination);
        }

        string? destination = DestinationOf(options);
        string path = destination ?? Temporary(template);
        if (destination is not null)
        {
            bool isBeingMade;
            lock (_gate)
            {
                isBeingMade = Find(path, template) is not null;
            }

            if (!isBeingMade)
            {
                TemplatePlace.Check(path, force: false); // not under the gate, which all lazy guests need: its file system may not answer
            }
        }

        try
        {
            TemplatePlace.CheckWritable(path);
        }
        catch (IOException failure)
        {
            throw TemplateErrors.Unwritable(path, failure);
        }

        TemplatePlace.CheckFileSystem(TemplatePlace.Nearest(path), path, calls());
    }

    /// <summary>The copy for what is asked for: one that is being made, or a new one.</summary>
    /// <param name="options">What is asked for, which was checked.</param>
    /// <param name="template">The template.</param>
    /// <param name="held">Lets it go when it is disposed. A copy that becomes a template is made also when nobody has it.</param>
    /// <param name="cancellation">Gives up waiting for somebody else who opens the source.</param>
    /// <exception cref="GuestException">It cannot be made.</exception>
    public TemplateFill Open(GuestOptions options, GuestTemplate template, out IDisposable held, CancellationToken cancellation)
    {
        string? destination = DestinationOf(options);
        SemaphoreSlim opening = _opening.GetOrAdd(destination ?? template.Id.ToString(), _ => new SemaphoreSlim(1, 1));
        opening.Wait(cancellation);
        try
        {
            Copy copy = Join(destination, template) ?? Make(destination, template);
            held = new Hold(() => Release(copy));
            return copy.Fill;
        }
        finally
        {
            opening.Release();
        }
    }

    /// <summary>Gives all up. Sources that answer are closed then.</summary>
    public void Dispose()
    {
        Copy[] copies;
        lock (_gate)
        {
            copies = [.. _copies];
            _copies.Clear();
        }

        Array.ForEach(copies, copy => copy.Fill.Dispose());
        Array.ForEach(copies, copy => copy.Fill.AwaitEnd(s_patience));
    }

    private static string? DestinationOf(GuestOptions options) => options.Destination is null
        ? null
        : TemplatePlace.Of(options.Destination, Path.GetFileName(TemplateSource.FullPath(options.Template!)), intoFolder: false);

    private static string Temporary(GuestTemplate template) => Path.Combine(TemplateSource.FullPath(Path.GetTempPath()), template.Name);

    /// <summary>Refuses what could not be told from wrong data, or is in several places.</summary>
    private static void CheckTemplate(GuestTemplate template)
    {
        string? reason = template.Differential ? $"a differential one, which needs '{template.Parent!.Path}'"
            : template.RamBlocks.Any(block => block.Digest is null && block.Sha256 is null) ? "one without digests to compare its RAM with"
            : template.RamBlocks.Any(block => block.Offset != 0 || block.Identity.Size != block.Size)
                ? "one whose RAM is a part of a larger file"
            : null;
        if (reason is not null)
        {
            throw new GuestException(
                GuestErrorIds.LazyTemplateUnsupported,
                $"Expected a template that guests can be started from while it is copied, found in '{template.Path}' {reason}.",
                template.Path,
                template.Differential
                    ? "Merge it with Compress-GuestTemplate first, or copy it and what it needs with Copy-GuestTemplate."
                    : "Copy it with Copy-GuestTemplate first, then start from the copy.");
        }
    }

    private Copy? Join(string? destination, GuestTemplate template)
    {
        lock (_gate)
        {
            if (Find(destination, template) is not { } copy)
            {
                return null;
            }

            copy.Users++;
            return copy;
        }
    }

    private Copy Make(string? destination, GuestTemplate template)
    {
        ILazySource source = openSource(template.Path);
        Copy made = new(new TemplateFill(source, destination, Temporary(template), calls(), OnEnded)) { Users = 1 };
        if (made.Fill.Template.Id != template.Id)
        {
            made.Fill.Dispose();
            source.Dispose(); // nobody has begun to read it
            throw new GuestException(
                GuestErrorIds.TemplateRamChanged,
                $"Expected template {template.Id} in '{template.Path}', found {source.Template.Id}.",
                template.Path);
        }

        lock (_gate)
        {
            _copies.Add(made);
        }

        made.Fill.Begin();
        return made;
    }

    /// <summary>A copy that guests can join. Under the gate.</summary>
    private Copy? Find(string? destination, GuestTemplate template)
    {
        Copy? copy = _copies.Find(copy => copy.Fill.Failure is null && copy.Fill.Destination == destination
            && (destination is not null || copy.Fill.Template.Id == template.Id));
        return copy is null || copy.Fill.Template.Id == template.Id ? copy
            : throw TemplatePlace.InUse(destination!, $"that a copy of '{copy.Fill.Template.Path}' is made there");
    }

    private void Release(Copy copy)
    {
        lock (_gate)
        {
            if (--copy.Users > 0 || (copy.Fill.Destination is not null && !copy.Fill.Settled.IsCompleted) || !_copies.Remove(copy))
            {
                return;
            }
        }

        copy.Fill.Dispose();
    }

    private void OnEnded(TemplateFill fill)
    {
        ended(fill.Info);
        lock (_gate)
        {
            if (_copies.Find(copy => copy.Fill == fill) is not { Users: 0 } unused || !_copies.Remove(unused))
            {
                return;
            }
        }

        fill.Dispose();
    }

    private sealed class Copy(TemplateFill fill)
    {
        public TemplateFill Fill => fill;

        /// <summary>Guests that have it. Under the gate.</summary>
        public int Users { get; set; }
    }

    private sealed class Hold(Action release) : IDisposable
    {
        private Action? _release = release;

        public void Dispose() => Interlocked.Exchange(ref _release, null)?.Invoke();
    }
}
