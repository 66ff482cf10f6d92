namespace PsVm.Machine.Devices;

/// <summary>
/// The named ports of a board, as hosts find them. Which they are, a template may say; so they are looked up when they are needed.
/// </summary>
internal sealed class ConsolePorts
{
    /// <summary>The port of QEMU's guest agent, which Debian's <c>qemu-guest-agent</c> opens.</summary>
    public const string Agent = "org.qemu.guest_agent.0";

    /// <summary>The most of them; QEMU's board has 31, which cost each guest memory.</summary>
    public const int Most = 7;

    /// <summary>Characters of a name: what udev makes a link's name of.</summary>
    public const int MostNameLength = 64;

    private volatile ConsolePort[] _all;

    /// <param name="names">Their names beside that of the agent's.</param>
    public ConsolePorts(params IReadOnlyList<string> names) => _all = [.. names.Prepend(Agent).Select(Make)];

    /// <summary>All of them, by number, of which the first is 1.</summary>
    public IReadOnlyList<ConsolePort> All => _all;

    /// <summary>A port by its name; null: there is none.</summary>
    public ConsolePort? Find(string name) => Array.Find(_all, port => port.Name == name);

    /// <summary>
    /// Whether a port could have a name: letters, digits, dots, hyphens and underscores, since it becomes the name of a file.
    /// </summary>
    public static bool IsName(string name) => name.Length is > 0 and <= MostNameLength && name[0] != '.'
        && name.All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '.' or '-' or '_');

    /// <summary>Others take their place: those of a template.</summary>
    /// <exception cref="InvalidDataException">There are too many, one of them twice, or one with a name that none has.</exception>
    public void Replace(IReadOnlyList<string> names)
    {
        if (names.Count > Most || !names.All(IsName) || names.Distinct().Count() != names.Count)
        {
            throw new InvalidDataException(
                $"expected at most {Most} ports with names of their own, found {VisibleText.Of(string.Join(", ", names))}");
        }

        ConsolePort[] old = _all;
        if (!names.SequenceEqual(old.Select(port => port.Name)))
        {
            _all = [.. names.Select(name => Find(name) ?? Make(name))];
            Array.ForEach([.. old.Except(_all)], port => port.Close());
        }
    }

    // The agent answers who asks it; what else guests write is for whoever reads it.
    private static ConsolePort Make(string name) => new(name, keepsOutput: name != Agent);

    /// <summary>The board is gone.</summary>
    public void Close() => Array.ForEach(_all, port => port.Close());
}
