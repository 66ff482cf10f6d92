using Microsoft.Win32.SafeHandles;
using PsVm.Machine.Board;
using PsVm.Machine.Firmware;
using PsVm.Machine.State;
using PsVm.Memory;
using PsVm.Memory.Mapping;

namespace PsVm.Machine.Templates;

/// <summary>What a template holds of a machine, apart from its RAM.</summary>
/// <param name="path">The file it came from, for errors.</param>
/// <param name="sections">Its sections.</param>
internal sealed class MachineState(string path, IReadOnlyList<StateSection> sections)
{
    private const long PageSize = 4096; // at least
    private const string Machine = "machine";
    private const string Changes = "changes";

    // The newest version of each section; older ones are read too.
    private static readonly Dictionary<string, uint> s_known = new(MachineType.AllDeviceNames.Select(name => KeyValuePair.Create(name, 1u)))
    {
        [Machine] = 1,
        [Changes] = 1,
        ["clock"] = 1,
        ["harts"] = 1,
        ["sbi"] = Sbi.NewestState,
    };

    private readonly Dictionary<string, StateSection> _sections = sections.ToDictionary(section => section.Name);
    private Identity? _identity;

    /// <summary>What the machine is.</summary>
    /// <param name="Harts">Number of harts.</param>
    /// <param name="Firmware">It runs firmware; else the built-in SBI.</param>
    /// <param name="Uuid">Its UUID.</param>
    internal sealed record Identity(int Harts, bool Firmware, Guid Uuid);

    /// <summary>The state of a board that does not run.</summary>
    /// <param name="board">The board.</param>
    /// <param name="uuid">The machine's UUID.</param>
    /// <param name="files">Makes a file beside the state, for what a device has too much of; null: there is no such device.</param>
    public static TakenState Take(GuestBoard board, Guid uuid, Func<string, SafeFileHandle>? files = null)
    {
        List<(string, uint, StateStream)> sections = [];
        try
        {
            Add(Machine, 1, stream => TransferIdentity(stream, new(board.Harts.Count, board.Environment is null, uuid)));
            foreach ((string name, IStateful part) in board.Parts)
            {
                Add(name, part.StateVersion, part.Transfer);
            }

            return new TakenState(sections);
        }
        catch
        {
            new TakenState(sections).Dispose();
            throw;
        }

        void Add(string name, uint version, Action<StateStream> transfer)
        {
            StateStream stream = new(version, files);
            sections.Add((name, version, stream));
            transfer(stream);
        }
    }

    /// <summary>The state of a board that does not run, as a file of a template that stands alone.</summary>
    /// <param name="template">The template's id.</param>
    /// <param name="board">The board.</param>
    /// <param name="uuid">The machine's UUID.</param>
    /// <param name="files">As of <see cref="Take"/>.</param>
    /// <param name="cancellation">Gives up.</param>
    public static byte[] Save(
        Guid template, GuestBoard board, Guid uuid, Func<string, SafeFileHandle>? files = null, CancellationToken cancellation = default)
    {
        using TakenState taken = Take(board, uuid, files);
        return ToFile(template, taken.Finish(cancellation), null);
    }

    /// <summary>A state as a file.</summary>
    /// <param name="template">The template's id.</param>
    /// <param name="state">What was taken of the board.</param>
    /// <param name="changes">Changed ranges of each block of RAM; null: the template stands alone.</param>
    public static byte[] ToFile(Guid template, IReadOnlyList<StateSection> state, IReadOnlyList<IReadOnlyList<PageRange>>? changes) =>
        StateFile.Write(
        template, changes is null ? state : [.. state, Section(Changes, stream => TransferRanges(stream, changes))]);

    /// <summary>The same state of a template that holds other ranges of its RAM.</summary>
    /// <param name="template">The template's id.</param>
    /// <param name="changes">Changed ranges of each block of RAM; null: the template stands alone.</param>
    public byte[] Save(Guid template, IReadOnlyList<IReadOnlyList<PageRange>>? changes)
    {
        List<StateSection> same = [.. sections.Where(section => section.Name != Changes)];
        if (changes is not null)
        {
            same.Add(Section(Changes, stream => TransferRanges(stream, changes)));
        }

        return StateFile.Write(template, same);
    }

    /// <summary>Reads a state and checks that all of it is known.</summary>
    /// <exception cref="GuestException">It is altered, or holds what this version does not know.</exception>
    public static MachineState Read(string path, ReadOnlyMemory<byte> file, Guid template)
    {
        IReadOnlyList<StateSection> sections = StateFile.Read(path, file, template);
        foreach (StateSection section in sections)
        {
            if (!s_known.TryGetValue(section.Name, out uint newest) || section.Version > newest)
            {
                throw new GuestException(
                    GuestErrorIds.TemplateStateUnsupported,
                    $"Expected in '{path}' sections {string.Join(", ", s_known.Select(known => $"{known.Key} {known.Value}"))} or older, "
                    + $"found section '{section.Name}' of version {section.Version}.",
                    path,
                    "Use a newer version of PsVm, or make the template again with this one.");
            }
        }

        return sections.DistinctBy(section => section.Name).Count() == sections.Count
            ? new MachineState(path, sections)
            : throw StateFile.Corrupt(path, "each section once", "one twice");
    }

    /// <summary>What the machine is.</summary>
    /// <exception cref="GuestException">The state does not say.</exception>
    public Identity ReadIdentity()
    {
        if (_identity is not { } identity)
        {
            identity = new Identity(Harts: 1, Firmware: false, Guid.Empty);
            ReadSection(Machine, stream => identity = TransferIdentity(stream, identity));
            _identity = identity;
        }

        return identity;
    }

    /// <summary>Names of the devices whose state there is.</summary>
    public IEnumerable<string> Devices => _sections.Keys.Intersect(MachineType.AllDeviceNames);

    /// <summary>Changed ranges of each block of RAM.</summary>
    /// <param name="template">The template's description.</param>
    /// <returns>Null: the template stands alone.</returns>
    /// <exception cref="GuestException">The state has others than the description says, or outside the blocks.</exception>
    public IReadOnlyList<IReadOnlyList<PageRange>>? ReadChanges(GuestTemplate template)
    {
        if (!template.Differential)
        {
            return _sections.ContainsKey(Changes)
                ? throw StateFile.Corrupt(path, "no changes, since there is no parent", $"a section '{Changes}'")
                : null;
        }

        IReadOnlyList<PageRange>[] changes = [];
        ReadSection(Changes, stream => changes = TransferRanges(stream, []));
        bool fit = changes.Length == template.RamBlocks.Count
            && changes.Zip(template.RamBlocks).All(block => AreInOrder(block.First, block.Second));
        return fit ? changes : throw StateFile.Corrupt(
            path, $"changed ranges in order, inside {template.RamBlocks.Count} blocks of RAM and of as many bytes as described", "others");
    }

    /// <summary>Brings a new board to this state. Devices that only the board has stay as they are.</summary>
    /// <param name="board">The board.</param>
    /// <param name="devices">Names of the devices that the template says it has.</param>
    /// <exception cref="GuestException">The state is not one of such a board.</exception>
    public void Restore(GuestBoard board, IReadOnlyList<string> devices)
    {
        int used = (_sections.ContainsKey(Machine) ? 1 : 0) + (_sections.ContainsKey(Changes) ? 1 : 0);
        foreach ((string name, IStateful part) in board.Parts)
        {
            if (_sections.ContainsKey(name) || devices.Contains(name) || !MachineType.AllDeviceNames.Contains(name))
            {
                ReadSection(name, part.Transfer);
                used++;
            }
        }

        if (used != _sections.Count)
        {
            string unused = _sections.Keys.Except([Machine, Changes, .. board.Parts.Select(part => part.Name)]).First();
            throw StateFile.Corrupt(path, "sections of this board", $"a section '{unused}' that it has no use for");
        }
    }

    /// <summary>Brings a new board to this state.</summary>
    /// <param name="board">The board.</param>
    /// <param name="devices">Names of the devices that the template says it has.</param>
    /// <param name="keepIdentity">It is the machine that was checkpointed; else it learns that it is another one.</param>
    /// <exception cref="GuestException">The state is not one of such a board.</exception>
    public void Restore(GuestBoard board, IReadOnlyList<string> devices, bool keepIdentity)
    {
        Restore(board, devices);
        if (!keepIdentity)
        {
            board.RenewGeneration();
        }
    }

    private static bool AreInOrder(IReadOnlyList<PageRange> ranges, TemplateRamBlock block)
    {
        (long end, long bytes) = (0, 0);
        foreach (PageRange range in ranges)
        {
            bool fits = range.Offset >= end && range.Length > 0 && range.Offset % PageSize == 0 && range.Length % PageSize == 0
                && range.Length <= block.Size && range.Offset <= block.Size - range.Length;
            if (!fits)
            {
                return false;
            }

            (end, bytes) = (range.End, bytes + range.Length);
        }

        return bytes == block.ChangedBytes;
    }

    private static StateSection Section(string name, Action<StateStream> transfer, uint version = 1)
    {
        StateStream stream = new(version);
        transfer(stream);
        return new StateSection(name, version, stream.ToArray());
    }

    private static Identity TransferIdentity(StateStream stream, Identity identity)
    {
        (uint harts, bool firmware, Guid uuid) = ((uint)identity.Harts, identity.Firmware, identity.Uuid);
        stream.Transfer(ref harts);
        stream.Transfer(ref firmware);
        stream.Transfer(ref uuid);
        return harts is >= 1 and <= MemoryMap.MaxHarts
            ? new Identity((int)harts, firmware, uuid)
            : throw new InvalidDataException($"{harts} harts");
    }

    /// <summary>Ranges of each block of RAM.</summary>
    internal static IReadOnlyList<PageRange>[] TransferRanges(StateStream stream, IReadOnlyList<IReadOnlyList<PageRange>> changes)
    {
        const int rangeSize = 2 * sizeof(long);
        var blocks = new IReadOnlyList<PageRange>[stream.TransferCount(changes.Count, sizeof(uint))];
        for (int block = 0; block < blocks.Length; block++)
        {
            PageRange[] ranges = stream.IsReading ? [] : [.. changes[block]];
            Array.Resize(ref ranges, stream.TransferCount(ranges.Length, rangeSize));
            foreach (ref PageRange range in ranges.AsSpan())
            {
                (long offset, long length) = (range.Offset, range.Length);
                stream.Transfer(ref offset);
                stream.Transfer(ref length);
                range = new PageRange(offset, length);
            }

            blocks[block] = ranges;
        }

        return blocks;
    }

    private void ReadSection(string name, Action<StateStream> transfer)
    {
        if (!_sections.TryGetValue(name, out StateSection? section))
        {
            throw StateFile.Corrupt(path, $"a section '{name}'", "none");
        }

        try
        {
            StateStream stream = new(section.Content, section.Version);
            transfer(stream);
            stream.End();
        }
        catch (InvalidDataException wrong)
        {
            throw StateFile.Corrupt(path, $"a section '{name}' of this board", wrong.Message, wrong);
        }
    }
}
