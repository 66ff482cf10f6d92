using System.Reflection;
using PsVm.Fuzz.Targets;
using PsVm.Riscv.Tests;

namespace PsVm.Fuzz;

/// <summary>Something that is given what nobody sane would give it.</summary>
internal abstract class FuzzTarget : IDisposable
{
    private static readonly HashSet<string> s_ids = [.. Ids(typeof(GuestErrorIds)), .. Ids(typeof(MemoryErrorIds))];

    /// <summary>Runs a case; all of it follows from the dice, and nothing from the cases before.</summary>
    /// <exception cref="WrongException">Something that must hold does not.</exception>
    public abstract void Run(Dice dice);

    public abstract void Dispose();

    /// <summary>Does something that may fail with an error that is documented.</summary>
    /// <returns>The error; null: it was done.</returns>
    protected static PsVmException? Try(Action action)
    {
        try
        {
            action();
            return null;
        }
        catch (PsVmException error) when (s_ids.Contains(error.ErrorId))
        {
            return error;
        }
    }

    private static IEnumerable<string> Ids(Type type) => type.GetFields(BindingFlags.Public | BindingFlags.Static)
        .Where(field => field.IsLiteral && field.FieldType == typeof(string)).Select(field => (string)field.GetRawConstantValue()!);
}

/// <summary>A target by name.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Share">Of a million cases of all targets, so many are its.</param>
/// <param name="ShortRun">Cases of the run that is a test.</param>
/// <param name="Make">Makes it.</param>
internal sealed record FuzzTargetEntry(string Name, int Share, int ShortRun, Func<FuzzTarget> Make);

/// <summary>All targets.</summary>
internal static class FuzzTargets
{
    public static readonly IReadOnlyList<FuzzTargetEntry> All =
    [
        new("sbi", 400_000, 200_000, () => new SbiTarget()),
        new("devices", 200_000, 100_000, () => new DeviceTarget()),
        new("rings", 100_000, 6_000, () => new RingTarget()),
        new("disks", 10_000, 2_000, () => new DiskTarget(inFile: false)),
        new("networks", 10_000, 2_000, () => new NetworkTarget()),
        new("filedisks", 10_000, 1_000, () => new DiskTarget(inFile: true)),
        new("balloons", 20_000, 3_000, () => new BalloonTarget()),
        new("folders", 40_000, 3_000, () => new FolderTarget()),
        new("vhost", 20_000, 3_000, () => new VhostTarget()),
        new("agents", 20_000, 3_000, () => new AgentTarget()),
        new("pagetables", 139_000, 60_000, () => new PageTableTarget()),
        new("manifests", 40_000, 10_000, () => new ManifestTarget()),
        new("states", 40_000, 6_000, () => new StateTarget()),
        new("archives", 2_000, 400, () => new ArchiveTarget()),
        new("boot", 16_000, 3_000, () => new BootTarget()),
        new("sharing", 2_000, 300, () => new SharingTarget()),
        new("parallel", 1_000, 100, () => new ParallelTarget()),
        new("lives", 1_000, 60, () => new LifeTarget()),
    ];

    /// <exception cref="ArgumentException">There is no such target.</exception>
    public static FuzzTargetEntry Find(string name) => All.Concat(SelfTestTarget.All).FirstOrDefault(target => target.Name == name)
        ?? throw new ArgumentException($"Expected a target among {string.Join(", ", All.Select(target => target.Name))}, found '{name}'.");
}
