using System.Reflection;
using System.Runtime.Loader;
using PsVm.Import;

namespace PsVm.Module.Tests.Loading;

public class LoadContextTests
{
    [Theory]
    [InlineData("PsVm.Memory")]
    [InlineData("PsVm.Machine")]
    [InlineData("PsVm.Riscv")]
    public void What_the_cmdlets_stand_on_loads_into_a_context_of_its_own(string name)
    {
        Assembly loaded = LoadContext.Instance.LoadFromAssemblyName(new AssemblyName(name));

        Assert.Same(LoadContext.Instance, AssemblyLoadContext.GetLoadContext(loaded));
    }

    [Theory]
    [InlineData(typeof(FileAccessMode))]
    [InlineData(typeof(PsVm.Module.Hosting.PsVmCmdlet))]
    public void What_operators_and_PowerShell_name_is_shared(Type type) =>
        Assert.Same(type.Assembly, LoadContext.Instance.LoadFromAssemblyName(type.Assembly.GetName()));
}
