using System.Reflection;
using System.Runtime.Loader;
using PsVm.Loading;

namespace PsVm.Module.Tests.Loading;

public class LoadContextTests
{
    [Fact]
    public void The_module_and_its_dependencies_load_into_a_context_of_their_own()
    {
        Assembly module = LoadContext.LoadModule();

        AssemblyLoadContext context = AssemblyLoadContext.GetLoadContext(module)!;
        Assert.Equal("PsVm", context.Name);
        Assert.NotSame(typeof(PsVm.Module.Hosting.PsVmCmdlet).Assembly, module);
        foreach (string name in (string[])["PsVm.Memory", "PsVm.Riscv"])
        {
            Assert.Same(context, AssemblyLoadContext.GetLoadContext(context.LoadFromAssemblyName(new AssemblyName(name))));
        }
    }

    [Fact]
    public void It_is_loaded_once() => Assert.Same(LoadContext.LoadModule(), LoadContext.LoadModule());

    [Fact]
    public void The_types_that_operators_name_are_shared()
    {
        AssemblyLoadContext context = AssemblyLoadContext.GetLoadContext(LoadContext.LoadModule())!;

        Assert.Same(
            typeof(FileAccessMode).Assembly, context.LoadFromAssemblyName(typeof(FileAccessMode).Assembly.GetName()));
    }
}
