using PsVm.Machine.Guests;
using PsVm.Machine.Templates;
using PsVm.Memory;
using PsVm.Module.Guests;

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

    /// <summary>Stops and removes every guest and backend.</summary>
    public static void Shutdown()
    {
        lock (Gate)
        {
            if (s_instances?.Memory.Policy is { Source: MemoryBackendPolicy.SetByCmdlet } policy)
            {
                s_policySet = policy;
            }

            s_instances?.Dispose();
            s_instances = null;
        }
    }

    private sealed class Instances : IDisposable
    {
        private readonly MemoryBackends _backends = new();

        public Instances(MemoryBackendPolicy? policy)
        {
            Memory = new MemoryHost(_backends);
            if (policy is not null)
            {
                Memory.SetPolicy(policy.DenyPrivateDiscard);
            }

            Guests = new GuestHost(_backends);
        }

        public MemoryHost Memory { get; }

        public GuestHost Guests { get; }

        public TemplateHost Templates { get; } = new();

        public ConsoleReadings ConsoleReadings { get; } = new();

        public void Dispose()
        {
            Guests.Dispose();
            _backends.Dispose();
        }
    }
}
