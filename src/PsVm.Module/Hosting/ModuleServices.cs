using Microsoft.Extensions.Logging;
using PsVm.Machine.Guests;
using PsVm.Memory;
using PsVm.Module.Guests;

namespace PsVm.Module.Hosting;

/// <summary>The one memory manager and the one guest host of this process; made when first asked for.</summary>
internal static class ModuleServices
{
    private static readonly Lock Gate = new();
    private static Instances? s_instances;

    /// <summary>The live backends.</summary>
    public static MemoryBackends Backends => Current.Backends;

    /// <summary>The guests.</summary>
    public static IGuestHost Guests => Current.Guests;

    /// <summary>How far each console has been received.</summary>
    public static ConsoleReadings ConsoleReadings => Current.ConsoleReadings;

    private static Instances Current
    {
        get
        {
            lock (Gate)
            {
                return s_instances ??= new Instances();
            }
        }
    }

    /// <summary>Stops and removes every guest and backend.</summary>
    public static void Shutdown()
    {
        lock (Gate)
        {
            s_instances?.Dispose();
            s_instances = null;
        }
    }

    private sealed class Instances : IDisposable
    {
        private readonly ILoggerFactory _loggers = LoggerFactory.Create(
            logging => logging.SetMinimumLevel(LogLevel.Trace).AddProvider(new CmdletLogger.Provider()));

        public Instances()
        {
            Backends = new MemoryBackends();
            Guests = new GuestHost(Backends, _loggers);
        }

        public MemoryBackends Backends { get; }

        public GuestHost Guests { get; }

        public ConsoleReadings ConsoleReadings { get; } = new();

        public void Dispose()
        {
            Guests.Dispose();
            Backends.Dispose();
            _loggers.Dispose();
        }
    }
}
