using System.Runtime.InteropServices;
using PsVm.Riscv;
using PsVm.Riscv.Tests;

namespace PsVm.Fuzz.Targets;

/// <summary>
/// Two guests of a family, now and then strangers, with the same code in a cache that they share. One is attacked by what it runs and by
/// what happens to its RAM: its page table is rewritten under it, by itself and from outside, so that pages of code follow each other as
/// they do nowhere else, and so is its code. The other must do, register by register, what it does alone on the interpreter.
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
        bool apart = dice.OneIn(4);
        using CodeCache one = shared.OpenPart("one"), other = shared.OpenPart(apart ? null : "one");
        using ProgramGuest victim = new(1, [0], one), attacker = new(1, [0], other);
        bool begins = dice.OneIn(2);
        for (int programs = dice.OneIn(8) ? 10 : 1; programs > 0; programs--)
        {
            RunProgram(dice, victim, attacker, begins ? one : null);
            begins = false;
        }
    }

    public override void Dispose()
    {
        _reference.Dispose();
        _alone.Dispose();
    }

    /// <summary>Has guests begin with what two have run that began so, of which each may have been attacked.</summary>
    private void BeginWithFamily(Dice dice, CodeCache family, params ReadOnlySpan<ProgramGuest> guests)
    {
        const string content = "as the reference's";
        for (int before = dice.Next(1, 4); before > 0; before--)
        {
            using ProgramGuest sibling = new(1, [0], family);
            sibling.CopyFrom(_reference, 0);
            Begin(sibling);
            for (int attacks = dice.Next(3); attacks > 0; attacks--)
            {
                Attack(dice, sibling);
            }

            for (int runs = dice.Next(1, 64); runs > 0; runs--)
            {
                sibling.Harts[0].Run((ulong)dice.Next(1, 32));
            }
        }

        foreach (ProgramGuest guest in guests)
        {
            Begin(guest);
        }

        void Begin(ProgramGuest guest)
        {
            guest.Memory.IsPrivate = true;
            guest.Harts[0].BeginWithFamily(content, pages => Array.ConvertAll(pages, page => HoldsAsBefore(guest, page)));
        }
    }

    /// <summary>Whether a page of a guest is as the reference's, which has not run yet.</summary>
    private unsafe bool HoldsAsBefore(ProgramGuest guest, nint host)
    {
        Span<byte> ram = guest.Ram(0);
        fixed (byte* first = ram)
        {
            long offset = host - (nint)first;
            return offset >= 0 && offset < ram.Length && ram.Slice((int)offset, 4096)
                .SequenceEqual(_reference.Ram(0).Slice((int)offset, 4096));
        }
    }

    private void RunProgram(Dice dice, ProgramGuest victim, ProgramGuest attacker, CodeCache? family)
    {
        int kind = dice.OneIn(2) ? dice.Next(16) : dice.Next(8, 16), seed = dice.Next(int.MaxValue);
        _reference.Prepare(0, new Dice(seed, kind), kind);
        (int pointer, int value, int other) = WriteGadget(dice, _reference);
        victim.CopyFrom(_reference, 0);
        attacker.CopyFrom(_reference, 0);
        if (family is not null)
        {
            BeginWithFamily(dice, family, victim, attacker);
        }

        AimGadget(dice, attacker, pointer, value, other);
        PointAtTables(dice, attacker);
        if (!dice.OneIn(4))
        {
            // From the beginning: where a jump out of a page leads is decided by who jumps first.
            MovePage(dice, attacker);
            Attack(dice, attacker);
            attacker.Memory.NotifyWritten(ProgramGuest.Start(0), RandomProgram.RamSize);
        }

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

    /// <summary>
    /// Begins the program with a store, a load and a jump within the page, which do nothing that matters as long as their registers point
    /// to data.
    /// </summary>
    private static (int Pointer, int Value, int Other) WriteGadget(Dice dice, ProgramGuest guest)
    {
        const int pointer = 28, value = 29, other = 30, temporary = 31;
        Hart hart = guest.Harts[0];
        int at = (int)(hart.Pc - ProgramGuest.Start(0)) % RandomProgram.RamSize;
        ReadOnlySpan<uint> code =
        [
            Asm.Sd(value, pointer, 0), Asm.Ld(temporary, other, 0), Asm.Jal(0, dice.Next(2, 64) * 4),
        ];
        if ((at & 4095) < 4096 - 1024)
        {
            MemoryMarshal.AsBytes(code).CopyTo(guest.Ram(0)[at..]);
            hart[pointer] = hart[other] = ProgramGuest.Start(0) + Data + (hart.Pc - ProgramGuest.Start(0) - (ulong)at);
            guest.Memory.NotifyWritten(ProgramGuest.Start(0), RandomProgram.RamSize);
        }

        return (pointer, value, other);
    }

    /// <summary>
    /// Has the store put another page in the place of the gadget's own, and the load drive out what is known of that place, so that the
    /// jump comes to another page.
    /// </summary>
    private static void AimGadget(Dice dice, ProgramGuest guest, int pointer, int value, int other)
    {
        const ulong superpage = 2 << 20;
        Hart hart = guest.Harts[0];
        ulong offset = hart.Pc - ProgramGuest.Start(0), window = offset - (offset % RandomProgram.RamSize);
        hart[pointer] = ProgramGuest.Start(0) + window + Leaves + (offset >> 12 << 3);
        hart[value] = Entry(RandomPage(dice), ReadWrite | Executable | (window != 0 ? User : 0));
        hart[other] = ProgramGuest.Start(0) + superpage + ((offset % RandomProgram.RamSize) & ~4095ul);
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

    /// <summary>Puts a page of code, or nearly so, in the place of another.</summary>
    private static void MovePage(Dice dice, ProgramGuest guest)
    {
        Span<byte> ram = guest.Ram(0);
        Span<byte> from = Page(ram, CodePage + dice.Next(CodePages)), to = Page(ram, CodePage + dice.Next(CodePages));
        from[dice.Next(2048)..].CopyTo(to);

        static Span<byte> Page(Span<byte> ram, int page) => ram.Slice(page << 12, 4096);
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
            ulong page = ProgramGuest.Start(0) + ((ulong)RandomPage(dice) << 12);
            guest.Harts[0].RequestAddressFence(page, dice.OneIn(2) ? 4096 : ulong.MaxValue, dice.OneIn(2) ? null : dice.Next(4));
        }
    }

    private static int RandomPage(Dice dice) => (dice.OneIn(8) ? DataPage : CodePage) + dice.Next(CodePages);

    private static ulong Entry(int page, ulong flags) => ((ProgramGuest.Start(0) >> 12) + (ulong)page) << 10 | flags;

    private static Span<ulong> Table(ProgramGuest guest) => MemoryMarshal.Cast<byte, ulong>(guest.Ram(0).Slice(Leaves, 4096));
}
