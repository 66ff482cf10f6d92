using System.Globalization;

namespace PsVm.Fuzz;

/// <summary>
/// How long a process has been at a case: the CPU time that it used, or the time in which none of its threads had anything to do. By the
/// clock a host that is busy with others would make a hang of any case.
/// </summary>
internal sealed class WorkerTime
{
    private TimeSpan? _before;
    private TimeSpan _waited;

    /// <summary>A case begins.</summary>
    public void Restart() => (_before, _waited) = (null, TimeSpan.Zero);

    /// <summary>Notes how the process was found.</summary>
    /// <param name="interval">As much time has passed at least since it was looked at last.</param>
    /// <param name="found">Its CPU time, and whether all of its threads sleep.</param>
    /// <returns>How long the case has taken.</returns>
    public TimeSpan Look(TimeSpan interval, (TimeSpan Used, bool Sleeps) found)
    {
        _before ??= found.Used;
        _waited += found.Sleeps ? interval : TimeSpan.Zero;
        TimeSpan used = found.Used - _before.Value;
        return used > _waited ? used : _waited;
    }

    /// <summary>Finds a process as the kernel tells it; one that ends meanwhile does not sleep.</summary>
    public static (TimeSpan Used, bool Sleeps) Of(int process)
    {
        try
        {
            string folder = string.Create(CultureInfo.InvariantCulture, $"/proc/{process}");
            string[] whole = Fields(folder);
            return (
                TimeSpan.FromMilliseconds(10 * (Number(whole[11]) + Number(whole[12]))), // hundredths of a second: the kernel's USER_HZ
                Directory.GetDirectories($"{folder}/task").All(thread => Fields(thread)[0] == "S"));
        }
        catch (IOException)
        {
            return (TimeSpan.Zero, false);
        }
    }

    // Behind the name, which may have anything in it.
    private static string[] Fields(string folder)
    {
        string stat = File.ReadAllText($"{folder}/stat");
        return stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
    }

    private static long Number(string text) => long.Parse(text, CultureInfo.InvariantCulture);
}
