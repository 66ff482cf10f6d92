using PsVm.Machine.Board;
using PsVm.Machine.State;
using PsVm.Machine.Templates;
using PsVm.Riscv;
using PsVm.Riscv.Tests;

namespace PsVm.Fuzz.Targets;

/// <summary>
/// Machine states that were altered and given their checksums again: they are refused as documented, or a board that has one can save it
/// as the same, and run. Now and then as files: whether they test as valid is whether guests start from them.
/// </summary>
internal sealed class StateTarget : FuzzTarget
{
    private const ulong RamSize = 16 << 10;
    private const int CasesPerFile = 100;

    private static readonly (int Harts, bool Firmware)[] s_machines = [(1, false), (3, false), (2, true)];

    private readonly FuzzBoard[] _boards;
    private readonly byte[][] _fresh;
    private readonly Lazy<TemplateFiles> _files = new(() => new TemplateFiles());

    public StateTarget()
    {
        _boards = [.. s_machines.Select(machine => new FuzzBoard(machine.Harts, machine.Firmware, (RamSize, false)))];
        Array.ForEach(_boards, board => board.Board.Environment?.Start(0, MemoryMap.RamStart, 0));
        _fresh = [.. _boards.Select(board => board.Save())];
    }

    public override void Run(Dice dice)
    {
        if (dice.OneIn(CasesPerFile))
        {
            ReplacedTemplate whole = _files.Value.Replaced[dice.Next(_files.Value.Replaced.Count)];
            _files.Value.CheckAgreement(whole, whole.Manifest, Alter(dice, whole.State, whole.Id), verify: dice.OneIn(4));
            return;
        }

        int machine = dice.Next(s_machines.Length);
        FuzzBoard board = _boards[machine];
        board.Restore(FuzzBoard.Read(_fresh[machine]));
        byte[] altered = Alter(dice, _fresh[machine], FuzzBoard.Template);
        bool isIts = false;
        if (Try(() => isIts = Restore(altered, machine)) is not null || !isIts)
        {
            return;
        }

        byte[] saved = board.Save();
        board.Restore(FuzzBoard.Read(_fresh[machine])); // as a new board is, in which the counters run
        board.Restore(FuzzBoard.Read(saved));
        Compare(saved, board.Save());
        board.Ram.Block(0).Clear();
        board.Ram.Memory.Physical.NotifyWritten(MemoryMap.RamStart, RamSize);
        foreach (Hart hart in board.Board.Harts)
        {
            if ((board.Board.Environment?.Prepare(hart) ?? HartActivity.Run) == HartActivity.Run)
            {
                hart.Run(100);
            }
        }
    }

    public override void Dispose()
    {
        Array.ForEach(_boards, board => board.Dispose());
        if (_files.IsValueCreated)
        {
            _files.Value.Dispose();
        }
    }

    /// <returns>False: the state says that it is of another machine.</returns>
    private bool Restore(byte[] state, int machine)
    {
        MachineState read = FuzzBoard.Read(state);
        MachineState.Identity identity = read.ReadIdentity();
        if ((identity.Harts, identity.Firmware) != s_machines[machine])
        {
            return false;
        }

        _boards[machine].Restore(read);
        return true;
    }

    private static void Compare(byte[] expected, byte[] found)
    {
        ReadOnlyMemory<byte> clock = Sections(expected).Single(section => section.Name == "rtc").Content;
        foreach ((StateSection one, StateSection other) in Sections(expected).Zip(Sections(found)))
        {
            int same = one.Content.Span.CommonPrefixLength(other.Content.Span);
            WrongException.ThrowIfNot(
                FuzzBoard.MayRing(one.Name, clock.Span) || (same == one.Content.Length && same == other.Content.Length),
                $"{one.Name} is saved as another from byte {same} on, of {one.Content.Length} and {other.Content.Length}");
        }

        static IReadOnlyList<StateSection> Sections(byte[] state) => StateFile.Read("state.bin", state, FuzzBoard.Template);
    }

    private static byte[] Alter(Dice dice, byte[] state, Guid template)
    {
        if (dice.OneIn(16))
        {
            return Odd.Mutate(dice, state);
        }

        List<StateSection> sections = [.. StateFile.Read("state.bin", state, template)];
        for (int changes = dice.Next(1, 3); changes > 0 && sections.Count > 0; changes--)
        {
            int at = dice.Next(sections.Count);
            StateSection section = sections[at];
            switch (dice.Next(24))
            {
                case 0:
                    sections.RemoveAt(at);
                    break;
                case 1:
                    sections.Insert(dice.Next(sections.Count + 1), section);
                    break;
                case 2:
                    sections[at] = section with { Version = (uint)Odd.Number(dice) };
                    break;
                case 3:
                    sections[at] = section with { Name = dice.Pick<string>(["sbi", "uart", "changes", "", "sixteen letters!", "\u0001"]) };
                    break;
                case 4:
                    sections[at] = section with { Content = section.Content[..dice.Next(section.Content.Length + 1)] };
                    break;
                default:
                    sections[at] = section with { Content = Odd.Mutate(dice, section.Content.ToArray()) };
                    break;
            }
        }

        return StateFile.Write(template, sections);
    }
}
