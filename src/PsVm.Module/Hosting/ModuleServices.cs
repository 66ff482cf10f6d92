using PsVm.Machine.Guests;
using PsVm.Machine.Templates;
using PsVm.Memory;
using PsVm.Module.Guests.Consoles;
using PsVm.Module.Hosting.Logs;

namespace PsVm.Module.Hosting;

/// <summary>The one memory manager and the one guest host of this process; made when first asked for.</summary>
internal static class ModuleServices
{
    private static readonly Lock Gate = new();
    private static Instances? s_instances;

    // What an operator has denied stays denied when the module is imported again.
    private static MemoryBackendPolicy? s_policySet;

    /// <summary>Guest RAM.</summary>
    public static IMemoryHost Memory => Current.Memory;

    /// <summary>The guests.</summary>
    public static IGuestHost Guests => Current.Guests;

    /// <summary>Templates on disk.</summary>
    public static ITemplateHost Templates => Current.Templates;

    /// <summary>How far each console has been received.</summary>
    public static ConsoleReadings ConsoleReadings => Current.ConsoleReadings;

    /// <summary>The logs that guests were started with.</summary>
    public static GuestLogs GuestLogs => Current.GuestLogs;

    private static Instances Current
    {
        get
        {
            lock (Gate)
            {
                return s_instances ??= new Instances(s_policySet);
            }
        }
    }

    /// <summary>The guests that would end with the host.</summary>
    public static IReadOnlyList<GuestInfo> RunningGuests()
    {
        lock (Gate)
        {
            return s_instances is null ? [] : [.. s_instances.Guests.List().Where(guest => !guest.State.IsOver())];
        }
    }

    /// <summary>Stops and removes every guest and backend.</summary>
    public static void Shutdown()
    {
        lock (Gate)
        {
            s_policySet = s_instances?.Memory.Policy ?? s_policySet;

            s_instances?.Dispose();
            s_instances = null;
        }
    }

    private sealed class Instances : IDisposable
    {
        private readonly MemoryBackends _backends = new();

        public Instances(MemoryBackendPolicy? policy)
        {
            ModuleLifetime.HasHosts = true;
            Memory = new MemoryHost(_backends);
            if (policy is { Source: MemoryBackendPolicy.SetByCmdlet })
            {
                Memory.SetPolicy(policy.DenyPrivateDiscard);
            }

            if (policy is { MemoryReserveSource: MemoryBackendPolicy.SetByCmdlet })
            {
                Memory.SetMemoryReserve(policy.MemoryReserve);
            }

            Guests = new GuestHost(_backends);
            GuestLogs = new GuestLogs(Guests);
        }

        public MemoryHost Memory { get; }

        public GuestHost Guests { get; }

        public TemplateHost Templates { get; } = new();

        public ConsoleReadings ConsoleReadings { get; } = new();

        public GuestLogs GuestLogs { get; }

        public void Dispose()
        {
            Guests.Dispose();
            GuestLogs.Dispose();
            _backends.Dispose();
        }
    }
}
