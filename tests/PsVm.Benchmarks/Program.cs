using PsVm;
using PsVm.Benchmarks;

const string Usage = """
    boot     seconds until a text is on a guest's console, and what its workloads say
    compare  boot, workloads, process start and memory, in turn with QEMU
    profile  where the time of a guest goes: tier, reason, function; for its boot and each of its workloads
    clones   start of clones of a template, one at a time, and what each takes
    chain    starts from a chain of differential templates, and from the chain merged
    warming  clones that start a process at each tick: what each tick costs, from a clone's first on
    fleet    many clones at once
    checkpoint  how long a guest stands still for its checkpoint while it writes
    pages    which pages a clone makes its own
    pool     clones that are taken out of a pool, beside others that are started
    balloon  clones that fill memory and free it: what the host gets back by free page reporting, and by the balloon
    reset    a clone that is put back to its template over and over: how long that takes, and what the process grows by
    agent    commands in clones by their agents: round trips, and from a clone's start to its first command's end
    travel   a template that is packed, unpacked and copied to other file systems: how long, how large, does it run, is damage found
    soak     a guest of several harts that works for minutes, its checksums and the memory of the process
    hostile  many guests that mean harm beside one that works: what that one gets, how fast an operator is obeyed
    overcommit  clones in a control group that has less memory than they could take: who is held, who lives
    cold     clones whose template is not in memory, as after a restart of the host, with and without its working set
    lazy     a guest on a template that is still being copied from a slow source, beside waiting for the copy
    thp      guests that boot, and clones, with the advice to use transparent huge pages and without
    sharedfolder  a folder that a guest shares by 9P, in turn with QEMU: long files, and many small ones
    vhost    a folder that virtiofsd shares with a guest, here and in QEMU in turn: long files, and many small ones
    disk     a disk's requests, one and 32 at a time, in turn with QEMU
    network  a guest's network by passt, both ways and by requests, in turn with QEMU
    import   what Import-Module adds to the start of pwsh, and the first guest to what a second takes
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
            return CompareCommand.Compare(rest) ? 0 : 1;
        case [CompareCommand.ChildName, .. string[] rest]:
            CompareCommand.RunChild(rest);
            return 0;
        case ["profile", .. string[] rest]:
            ProfileCommand.Profile(rest);
            return 0;
        case ["clones", .. string[] rest]:
            ClonesCommand.Clones(rest);
            return 0;
        case ["chain", .. string[] rest]:
            ChainCommand.Chain(rest);
            return 0;
        case ["warming", .. string[] rest]:
            WarmingCommand.Run(rest);
            return 0;
        case ["fleet", .. string[] rest]:
            FleetCommand.Fleet(rest);
            return 0;
        case ["checkpoint", .. string[] rest]:
            CheckpointCommand.Checkpoint(rest);
            return 0;
        case ["pages", .. string[] rest]:
            PagesCommand.Pages(rest);
            return 0;
        case ["pool", .. string[] rest]:
            PoolCommand.Pool(rest);
            return 0;
        case ["balloon", .. string[] rest]:
            BalloonCommand.Balloon(rest);
            return 0;
        case ["reset", .. string[] rest]:
            ResetCommand.Reset(rest);
            return 0;
        case ["agent", .. string[] rest]:
            AgentsCommand.Run(rest);
            return 0;
        case ["travel", .. string[] rest]:
            TravelCommand.Travel(rest);
            return 0;
        case ["soak", .. string[] rest]:
            return SoakCommand.Soak(rest) ? 0 : 1;
        case ["hostile", .. string[] rest]:
            HostileCommand.Hostile(rest);
            return 0;
        case ["overcommit", .. string[] rest]:
            OvercommitCommand.Overcommit(rest);
            return 0;
        case [OvercommitCommand.ChildName, .. string[] rest]:
            OvercommitCommand.RunChild(rest);
            return 0;
        case ["cold", .. string[] rest]:
            ColdCommand.Cold(rest);
            return 0;
        case ["lazy", .. string[] rest]:
            LazyCommand.Lazy(rest);
            return 0;
        case ["thp", .. string[] rest]:
            ThpCommand.Thp(rest);
            return 0;
        case ["sharedfolder", .. string[] rest]:
            SharedFolderCommand.SharedFolder(rest);
            return 0;
        case ["vhost", .. string[] rest]:
            VhostCommand.Vhost(rest);
            return 0;
        case ["disk", .. string[] rest]:
            DiskCommand.Disk(rest);
            return 0;
        case [DiskCommand.ChildName, .. string[] rest]:
            DiskCommand.RunChild(rest);
            return 0;
        case ["network", .. string[] rest]:
            NetworkCommand.Network(rest);
            return 0;
        case [NetworkCommand.ChildName, .. string[] rest]:
            NetworkCommand.RunChild(rest);
            return 0;
        case ["import", .. string[] rest]:
            ImportCommand.Import(rest);
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
