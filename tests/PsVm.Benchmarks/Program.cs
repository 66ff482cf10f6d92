using PsVm;
using PsVm.Benchmarks;

const string Usage = """
    boot     seconds until a text is on a guest's console, and what its workloads say
    compare  the same, in turn with QEMU
    clones   start of clones of a template, one at a time, and what each takes
    fleet    many clones at once
    soak     a guest of several harts that works for minutes, its checksums and the memory of the process
    hostile  many guests that mean harm beside one that works: what that one gets, how fast an operator is obeyed
    docs/benchmarks.md has their options.
    """;

try
{
    switch (args)
    {
        case ["boot", .. string[] rest]:
            BootCommand.Boot(rest);
            return 0;
        case [BootCommand.ChildName, .. string[] rest]:
            BootCommand.RunChild(rest);
            return 0;
        case ["compare", .. string[] rest]:
            CompareCommand.Compare(rest);
            return 0;
        case ["clones", .. string[] rest]:
            ClonesCommand.Clones(rest);
            return 0;
        case ["fleet", .. string[] rest]:
            FleetCommand.Fleet(rest);
            return 0;
        case ["soak", .. string[] rest]:
            return SoakCommand.Soak(rest) ? 0 : 1;
        case ["hostile", .. string[] rest]:
            HostileCommand.Hostile(rest);
            return 0;
        default:
            Console.Error.WriteLine(Usage);
            return 2;
    }
}
catch (ArgumentException error)
{
    Console.Error.WriteLine(error.Message);
    return 2;
}
catch (Exception error) when (error is PsVmException or BenchmarkException)
{
    Console.Error.WriteLine(error.Message);
    return 1;
}
