using System.Reflection;
using System.Runtime.InteropServices;
using System.Runtime.Loader;

namespace PsVm.Import;

/// <summary>Where what PsVm.Module stands on is loaded, so that its versions never meet those of another module.</summary>
/// <remarks>
/// In the default context are the cmdlets, which PowerShell loads, and PsVm.Abstractions: the types that operators name live in it.
/// </remarks>
public sealed class LoadContext : AssemblyLoadContext
{
    private const string Module = "PsVm.Module";
    private const string Shared = "PsVm.Abstractions";

    private static readonly Lazy<LoadContext> s_instance = new(() => new LoadContext());
    private static int s_isServing;

    private readonly string _folder = Path.GetDirectoryName(typeof(LoadContext).Assembly.Location)!;

    // Beside the portable assemblies are, for some architectures, the same compiled ahead.
    private readonly string _compiled = $"linux-{RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant()}";

    // Asks the .NET host, which takes its time: not at import.
    private readonly Lazy<AssemblyDependencyResolver> _dependencies;

    private LoadContext()
        : base("PsVm")
    {
        _dependencies = new(() => new AssemblyDependencyResolver(PathOf(Module)));
    }

    /// <summary>The one of this process.</summary>
    public static LoadContext Instance => s_instance.Value;

    /// <summary>From now on the default context asks here for assemblies of PsVm: once per process.</summary>
    internal static void Serve()
    {
        if (Interlocked.Exchange(ref s_isServing, 1) == 0)
        {
            Default.Resolving += (_, wanted) => Instance.IsOwn(wanted) ? Instance.Load(wanted) : null;
        }
    }

    /// <summary>Looks whether this process has another version of PsVm: it has one at a time, for as long as it lives.</summary>
    /// <returns>What is wrong and what to do; null when there is none or the same.</returns>
    internal static string? FindOtherVersion()
    {
        Assembly own = typeof(LoadContext).Assembly;
        Version? wants = own.GetName().Version;
        Assembly? loaded = Default.Assemblies.FirstOrDefault(assembly => assembly.GetName().Name == Shared);
        Version? has = loaded?.GetName().Version;
        return loaded is null || has == wants
            ? null
            : $"Expected PsVm {has?.ToString(3)}, which this process has loaded from '{loaded.Location}', "
                + $"found {wants?.ToString(3)} at '{own.Location}'. Start a new pwsh for the other version.";
    }

    /// <inheritdoc/>
    protected override Assembly? Load(AssemblyName assemblyName)
    {
        ArgumentNullException.ThrowIfNull(assemblyName);
        string name = assemblyName.Name!;
        if (name is Shared or Module)
        {
            return Default.LoadFromAssemblyPath(PathOf(name));
        }

        if (name.StartsWith("System.", StringComparison.Ordinal))
        {
            // PowerShell's and .NET's own: there are no others.
            return null;
        }

        string compiled = Path.Combine(_folder, _compiled, $"{name}.dll");
        string? path = File.Exists(compiled) ? compiled
            : File.Exists(PathOf(name)) ? PathOf(name)
            : _dependencies.Value.ResolveAssemblyToPath(assemblyName);
        return path is null ? null : LoadFromAssemblyPath(path);
    }

    /// <inheritdoc/>
    /// <remarks>Mono.Posix brings a native helper for each platform; the default search would not look beside the module.</remarks>
    protected override nint LoadUnmanagedDll(string unmanagedDllName)
    {
        return _dependencies.Value.ResolveUnmanagedDllToPath(unmanagedDllName) is { } path ? LoadUnmanagedDllFromPath(path) : 0;
    }

    // Assemblies of PsVm, and what its cmdlets refer to themselves, of that very version: other modules have others.
    private bool IsOwn(AssemblyName wanted) => wanted.Name!.StartsWith("PsVm.", StringComparison.Ordinal)
        ? File.Exists(PathOf(wanted.Name))
        : Default.Assemblies.FirstOrDefault(assembly => assembly.GetName().Name == Module) is { } cmdlets
            && cmdlets.GetReferencedAssemblies().Any(reference => reference.FullName == wanted.FullName);

    private string PathOf(string assembly) => Path.Combine(_folder, $"{assembly}.dll");
}
