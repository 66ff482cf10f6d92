using PsVm.Riscv;
using PsVm.Riscv.Tests;

namespace PsVm.Fuzz.Targets;

/// <summary>
/// Four harts of a guest that run random programs at once, with code in common, while fences and notices of writes hail on them: each
/// does, register by register, what it does alone on the interpreter. Which thread is ahead differs from run to run.
/// </summary>
internal sealed class ParallelTarget : FuzzTarget
{
    private const int Harts = 4;
    private const ulong Instructions = 2_000;

    private readonly CodeCache _alone = new(TranslatorOptions.Off);
    private readonly ProgramGuest[] _references;

    public ParallelTarget() =>
        _references = [.. Enumerable.Range(0, Harts).Select(hart => new ProgramGuest(Harts, [hart], _alone))];

    public override void Run(Dice dice)
    {
        using CodeCache shared = new(new TranslatorOptions
        {
            Threshold = dice.OneIn(3) ? 3 : 1, CodeBytes = TranslatorOptions.LeastCodeBytes * dice.Next(1, 3),
        });
        using ProgramGuest guest = new(Harts, Enumerable.Range(0, Harts), shared);
        int seed = dice.Next(int.MaxValue), kind = dice.Next(16);
        bool alike = dice.OneIn(2);
        for (int hart = 0; hart < Harts; hart++)
        {
            int itsSeed = alike ? seed : dice.Next(int.MaxValue), itsKind = alike ? kind : dice.Next(16);
            _references[hart].Prepare(hart, new Dice(itsSeed, itsKind), itsKind);
            guest.CopyFrom(_references[hart], hart);
        }

        Exception?[] failures = new Exception?[Harts];
        Thread[] threads = [.. Enumerable.Range(0, Harts).Select(hart => new Thread(() => failures[hart] = Run(guest, hart)))];
        Array.ForEach(threads, thread => thread.Start());
        while (threads.Any(thread => thread.IsAlive))
        {
            Disturb(dice, guest);
            Thread.SpinWait(dice.Next(2_000));
        }

        Array.ForEach(threads, thread => thread.Join());
        if (failures.FirstOrDefault(failure => failure is not null) is { } first)
        {
            throw first is WrongException ? first : new InvalidOperationException(first.Message, first);
        }

        for (int hart = 0; hart < Harts; hart++)
        {
            guest.ThrowIfDifferent(_references[hart], hart);
        }
    }

    public override void Dispose()
    {
        Array.ForEach(_references, reference => reference.Dispose());
        _alone.Dispose();
    }

    private Exception? Run(ProgramGuest guest, int hart)
    {
        try
        {
            LockStepDifference? difference = new LockStep(_references[hart].Harts[hart], guest.Harts[hart]).Run(Instructions);
            return difference is null ? null : new WrongException($"hart {hart}: {difference}");
        }
        catch (Exception error)
        {
            return error;
        }
    }

    private static void Disturb(Dice dice, ProgramGuest guest)
    {
        int hart = dice.Next(Harts);
        switch (dice.Next(5))
        {
            case 0:
                guest.Harts[hart].RequestInstructionFence();
                break;
            case 1:
                guest.Harts[hart].RequestAddressFence();
                break;
            case 2:
                guest.Memory.NotifyWritten(ProgramGuest.Start(hart) + ((ulong)dice.Next(256) << 12), 1ul << dice.Next(20));
                break;
            case 3:
                // Of nothing that has changed; by dozens they are more than a hart keeps.
                for (int fences = dice.OneIn(8) ? dice.Next(40) : 1; fences > 0; fences--)
                {
                    ulong address = ProgramGuest.Start(hart) + ((ulong)dice.Next(512) << 12) + (ulong)dice.Next(4096);
                    ulong size = dice.OneIn(4) ? dice.Bits() : (ulong)dice.Next(1 << 20);
                    guest.Harts[hart].RequestAddressFence(address, size, dice.OneIn(3) ? null : dice.Next(4));
                }

                break;
            default:
                Thread.Yield();
                break;
        }
    }
}
