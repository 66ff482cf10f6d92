using System.Reflection;
using System.Runtime.Loader;

namespace PsVm.Loading;

/// <summary>Where the module and its dependencies are loaded, so that their versions never meet those of another module.</summary>
/// <remarks>This assembly itself stays in the default context: the types that operators name live in it.</remarks>
public sealed class LoadContext : AssemblyLoadContext
{
    private static readonly Lazy<Assembly> LoadedModule = new(() =>
    {
        string folder = Path.GetDirectoryName(typeof(LoadContext).Assembly.Location)!;
        string module = Path.Combine(folder, "PsVm.Module.dll");
        return new LoadContext(module).LoadFromAssemblyPath(module);
    });

    private readonly AssemblyDependencyResolver _dependencies;

    private LoadContext(string modulePath)
        : base("PsVm")
    {
        _dependencies = new AssemblyDependencyResolver(modulePath);
    }

    /// <summary>Loads PsVm.Module.dll, which lies beside this assembly, into its own context; once per process.</summary>
    /// <returns>The assembly that holds the cmdlets.</returns>
    public static Assembly LoadModule() => LoadedModule.Value;

    /// <inheritdoc/>
    protected override Assembly? Load(AssemblyName assemblyName)
    {
        ArgumentNullException.ThrowIfNull(assemblyName);
        Assembly shared = typeof(LoadContext).Assembly;
        if (assemblyName.Name == shared.GetName().Name)
        {
            return shared;
        }

        return _dependencies.ResolveAssemblyToPath(assemblyName) is { } path ? LoadFromAssemblyPath(path) : null;
    }

    /// <inheritdoc/>
    /// <remarks>Mono.Posix brings a native helper for each platform; the default search would not look beside the module.</remarks>
    protected override nint LoadUnmanagedDll(string unmanagedDllName)
    {
        return _dependencies.ResolveUnmanagedDllToPath(unmanagedDllName) is { } path ? LoadUnmanagedDllFromPath(path) : 0;
    }
}
