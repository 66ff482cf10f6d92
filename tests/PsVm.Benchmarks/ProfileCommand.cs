using PsVm.Machine.Guests;
using PsVm.Memory;
using PsVm.Riscv;

namespace PsVm.Benchmarks;

/// <summary>Tells where a guest's time goes, from its start to a text and then from each of its workloads to the next.</summary>
internal static class ProfileCommand
{
    private const string Name = "profile", WorkloadPrefix = "B ", BeginPrefix = "A ";

    private static readonly TimeSpan s_betweenSamples = TimeSpan.FromMilliseconds(1);

    /// <summary>Prints a table for each stretch.</summary>
    public static void Profile(string[] words)
    {
        Arguments arguments = new(words);
        BootOptions options = new(arguments);
        GuestSymbols symbols = GuestSymbols.Read(arguments.TextOrNull("--symbols"));
        int top = arguments.Number("--top", 15);
        arguments.Done();

        AppContext.SetSwitch(HartProfile.SwitchName, true);
        using MemoryBackends backends = new();
        using GuestHost host = new(backends, translation: options.Translate ? TranslatorOptions.Default : TranslatorOptions.Off);
        host.Start(options.ToGuest(Name), CancellationToken.None);

        Stretches stretches = new(host, symbols, top);
        string wanted = options.Until;
        while (host.Get(Name).State == GuestState.Running)
        {
            Thread.Sleep(s_betweenSamples);
            HartProfile.AskAll();
            if (stretches.FindLine(wanted) is { } line)
            {
                stretches.End(wanted == WorkloadPrefix ? line.Split(' ')[1] : "boot");
                wanted = WorkloadPrefix;
            }
        }

        if (wanted != WorkloadPrefix)
        {
            throw new BenchmarkException($"Expected '{wanted}' on the console, found that the guest ended without.");
        }
    }

    /// <summary>A profile of a running guest, cut where lines come on its console.</summary>
    private sealed class Stretches(GuestHost host, GuestSymbols symbols, int top)
    {
        private long _position;
        private string _rest = string.Empty;
        private TimeSpan _cpu;

        /// <summary>The next whole line that begins with a text; null: there is none yet.</summary>
        public string? FindLine(string prefix)
        {
            ConsoleText text = host.ReadConsole(Name, _position);
            _position = text.NextPosition;
            _rest += text.Text;
            while (_rest.IndexOf('\n', StringComparison.Ordinal) is var end and >= 0)
            {
                string line = _rest[..end].Trim();
                _rest = _rest[(end + 1)..];
                if (line.StartsWith(prefix, StringComparison.Ordinal))
                {
                    return line;
                }

                if (prefix == WorkloadPrefix && line.StartsWith(BeginPrefix, StringComparison.Ordinal))
                {
                    Forget();
                }
            }

            return null;
        }

        /// <summary>Prints what was done since the stretch before.</summary>
        public void End(string stretch)
        {
            TimeSpan cpu = host.Get(Name).CpuTime;
            Console.Write(new ProfileReport(stretch, HartProfile.TakeAll(), cpu - _cpu).ToText(symbols, top));
            _cpu = cpu;
        }

        /// <summary>Counts nothing of what was done since the stretch before: a workload was prepared.</summary>
        private void Forget()
        {
            _ = HartProfile.TakeAll();
            _cpu = host.Get(Name).CpuTime;
        }
    }
}
