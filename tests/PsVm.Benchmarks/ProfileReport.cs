using System.Globalization;
using System.Text;
using PsVm.Riscv;

namespace PsVm.Benchmarks;

/// <summary>What a stretch of a profile came to, as Markdown.</summary>
/// <param name="name">Its name.</param>
/// <param name="counts">What was counted and sampled.</param>
/// <param name="cpu">CPU time of the harts.</param>
internal sealed class ProfileReport(string name, HartProfileCounts counts, TimeSpan cpu)
{
    private readonly double _samples = Math.Max(1, counts.Samples.Values.Sum());

    /// <summary>The stretch.</summary>
    /// <param name="symbols">Names of addresses.</param>
    /// <param name="top">So many functions at most.</param>
    public string ToText(GuestSymbols symbols, int top)
    {
        StringBuilder text = new();
        double millions = counts.Instructions / 1e6;
        Line(
            text,
            $"""

            ### {name}: {millions:F1} M instructions, {cpu.TotalSeconds:F3} s of CPU, {millions / cpu.TotalSeconds:F0} MIPS, {_samples} samples

            """);
        Line(text, $"| work | % of time | times | times per M instructions | us each |\n|---|---:|---:|---:|---:|");
        foreach (HartWork work in Enum.GetValues<HartWork>().OrderByDescending(Samples))
        {
            long times = counts.Counts[(int)work];
            double share = Samples(work) / _samples;
            if (times + share > 0)
            {
                double each = times == 0 ? 0 : share * cpu.TotalMicroseconds / times;
                Line(text, $"| {work} | {100 * share:F1} | {times} | {times / millions:F0} | {each:F2} |");
            }
        }

        Line(text, $"\nTranslated code was left {Exits()}.");
        Line(
            text,
            $"Lookups that found their place in the jump table empty: {counts.EmptyLookups} of {counts.Counts[(int)HartWork.Lookup]}.");
        Line(text, $"Modes: {Shares(sample => sample.Mode.ToString())}.");
        Line(text, $"Traps by cause: {Traps()}.\n");
        Line(text, $"| function | % of time | during |\n|---|---:|---|");
        foreach (var function in counts.Samples.GroupBy(
            pair => Function(symbols, pair.Key)).OrderByDescending(group => group.Sum(Times)).Take(top))
        {
            double all = function.Sum(Times);
            var works = function.GroupBy(pair => pair.Key.Work).OrderByDescending(group => group.Sum(Times)).Take(3);
            string during = string.Join(", ", works.Select(work => $"{work.Key} {Percent(work.Sum(Times) / all)}"));
            Line(text, $"| {function.Key} | {100 * all / _samples:F1} | {during} |");
        }

        return text.ToString();
    }

    private static string Function(GuestSymbols symbols, HartSample sample) => $"{symbols.NameOf(sample.Pc)} ({sample.Mode})";

    private static double Times(KeyValuePair<HartSample, long> pair) => pair.Value;

    private static void Line(StringBuilder text, FormattableString line) => text.AppendLine(line.ToString(CultureInfo.InvariantCulture));

    private static string Percent(double share) => (100 * share).ToString("F0", CultureInfo.InvariantCulture) + " %";

    private double Samples(HartWork work) => counts.Samples.Where(pair => pair.Key.Work == work).Sum(Times);

    private string Shares(Func<HartSample, string> key) => string.Join(", ", counts.Samples.GroupBy(pair => key(pair.Key))
        .OrderByDescending(group => group.Sum(Times)).Select(group => $"{group.Key} {Percent(group.Sum(Times) / _samples)}"));

    private string Exits() => Text(counts.Exits);

    private static string Text(HartCodeExits exits) => string.Create(
        CultureInfo.InvariantCulture,
        $"{exits.Limit} times at the limit, {exits.UnknownTarget} for a jump table miss, {exits.NotTranslated} for a block without "
            + $"translation, {exits.Fault} by a fault, {exits.Interpreted} for an operation; it called for {exits.SystemInstructions} "
            + $"system instructions");

    private string Traps() => string.Join(", ", counts.Traps.OrderByDescending(pair => pair.Value).Select(pair => string.Create(
        CultureInfo.InvariantCulture, $"{(pair.Key >> 63 != 0 ? "interrupt " : string.Empty)}{pair.Key & ~(1ul << 63)}: {pair.Value}")));
}
