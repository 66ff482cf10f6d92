using System.Runtime.InteropServices;
using PsVm.Riscv;
using PsVm.Riscv.Tests;

namespace PsVm.Fuzz.Targets;

/// <summary>
/// Two guests with the same code in a cache that they share. One is attacked by what it runs and by what happens to its RAM: its page
/// table is rewritten under it, by itself and from outside, so that pages of code follow each other as they do nowhere else, and so is
/// its code. The other must do, register by register, what it does alone on the interpreter.
/// </summary>
internal sealed class SharingTarget : FuzzTarget
{
    private const int Rounds = 8, Leaves = 0xb9000, CodePage = 16, CodePages = 3, DataPage = 64, TablePage = 0xb7, TablePages = 3;
    private const ulong ReadWrite = 0xc7, Executable = 8, User = 16, Data = 0x4_0000, DataEnd = 0x4_3000;

    private readonly CodeCache _alone = new(TranslatorOptions.Off);
    private readonly ProgramGuest _reference;

    public SharingTarget() => _reference = new ProgramGuest(1, [0], _alone);

    public override void Run(Dice dice)
    {
        using CodeCache shared = new(new TranslatorOptions { Threshold = 1, CodeBytes = TranslatorOptions.LeastCodeBytes });
        using ProgramGuest victim = new(1, [0], shared), attacker = new(1, [0], shared);
        for (int programs = dice.OneIn(8) ? 10 : 1; programs > 0; programs--)
        {
            RunProgram(dice, victim, attacker);
        }
    }

    public override void Dispose()
    {
        _reference.Dispose();
        _alone.Dispose();
    }

    private void RunProgram(Dice dice, ProgramGuest victim, ProgramGuest attacker)
    {
        int kind = dice.Next(16), seed = dice.Next(int.MaxValue);
        _reference.Prepare(0, new Dice(seed, kind), kind);
        victim.CopyFrom(_reference, 0);
        attacker.Prepare(0, new Dice(seed, kind), kind);
        PointAtTables(dice, attacker);
        var lockStep = new LockStep(_reference.Harts[0], victim.Harts[0]);
        for (int round = 0; round < Rounds; round++)
        {
            attacker.Harts[0].Run((ulong)dice.Next(1, 800));
            Attack(dice, attacker);
            if (lockStep.Run((ulong)dice.Next(1, 400)) is { } difference)
            {
                throw new WrongException(difference.ToString());
            }
        }

        victim.ThrowIfDifferent(_reference, 0);
    }

    /// <summary>Has pointers of the program point to the page table, which becomes writable.</summary>
    private static void PointAtTables(Dice dice, ProgramGuest guest)
    {
        Span<ulong> leaves = Table(guest);
        for (int page = TablePage; page < TablePage + TablePages; page++)
        {
            leaves[page] = Entry(page, ReadWrite);
            leaves[256 + page] = Entry(page, ReadWrite | User);
        }

        Hart hart = guest.Harts[0];
        for (int register = 1; register < 32; register++)
        {
            ulong value = hart[register] - ProgramGuest.Start(0);
            if (value is >= Data and < DataEnd && dice.OneIn(2))
            {
                hart[register] = ProgramGuest.Start(0) + Leaves + ((ulong)RandomPage(dice) * 8);
            }
            else if (dice.OneIn(6))
            {
                hart[register] = Entry(RandomPage(dice), ReadWrite | Executable | (dice.OneIn(2) ? User : 0));
            }
        }
    }

    private static void Attack(Dice dice, ProgramGuest guest)
    {
        Span<ulong> leaves = Table(guest);
        for (int changes = dice.Next(4); changes > 0; changes--)
        {
            int page = RandomPage(dice) + (dice.OneIn(2) ? 256 : 0);
            leaves[page] = Entry(RandomPage(dice), ReadWrite | Executable | (page < 256 ? 0 : User));
        }

        if (dice.OneIn(3))
        {
            int at = (CodePage << 12) + (dice.Next(CodePages << 11) * 2);
            guest.Ram(0)[at] ^= (byte)dice.Next(256);
        }

        if (dice.OneIn(2))
        {
            guest.Memory.NotifyWritten(ProgramGuest.Start(0), RandomProgram.RamSize);
        }

        if (dice.OneIn(4))
        {
            guest.Harts[0].RequestAddressFence();
        }
    }

    private static int RandomPage(Dice dice) => (dice.OneIn(8) ? DataPage : CodePage) + dice.Next(CodePages);

    private static ulong Entry(int page, ulong flags) => ((ProgramGuest.Start(0) >> 12) + (ulong)page) << 10 | flags;

    private static Span<ulong> Table(ProgramGuest guest) => MemoryMarshal.Cast<byte, ulong>(guest.Ram(0).Slice(Leaves, 4096));
}
