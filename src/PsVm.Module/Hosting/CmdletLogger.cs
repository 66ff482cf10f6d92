using Microsoft.Extensions.Logging;
using PsVm.Module.Output;

namespace PsVm.Module.Hosting;

/// <summary>Sends log lines to the streams of the cmdlet on whose behalf they are written.</summary>
/// <remarks>Information goes to Verbose, Debug and Trace to Debug, the rest to Warning. Without a cmdlet there is no reader.</remarks>
internal sealed class CmdletLogger(string category) : ILogger
{
    private static readonly AsyncLocal<ICmdletOutput?> CurrentOutput = new();

    /// <summary>The output of the cmdlet that this thread, or the thread that started it, works for.</summary>
    public static ICmdletOutput? Current
    {
        get => CurrentOutput.Value;
        set => CurrentOutput.Value = value;
    }

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => Current is not null && logLevel != LogLevel.None;

    public void Log<TState>(
        LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (Current is not { } output)
        {
            return;
        }

        string text = formatter(state, exception);
        switch (logLevel)
        {
            case LogLevel.Trace or LogLevel.Debug:
                output.WriteDebug($"{category}: {text}");
                break;
            case LogLevel.Information:
                output.WriteVerbose(text);
                break;
            case LogLevel.Warning or LogLevel.Error or LogLevel.Critical:
                output.WriteWarning(eventId.Name is { } id ? $"[{id}] {text}" : text);
                break;
        }
    }

    /// <summary>Makes the loggers.</summary>
    [ProviderAlias("Cmdlet")]
    internal sealed class Provider : ILoggerProvider
    {
        public ILogger CreateLogger(string categoryName) => new CmdletLogger(categoryName);

        public void Dispose()
        {
        }
    }
}
