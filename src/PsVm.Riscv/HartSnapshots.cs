using System.Runtime.CompilerServices;
using PsVm.Riscv.Csr;

namespace PsVm.Riscv;

/// <summary>Takes snapshots of harts that do not run, and brings new harts into their states.</summary>
internal static class HartSnapshots
{
    /// <summary>Takes a snapshot.</summary>
    public static HartSnapshot Take(Hart hart) => new(
        hart.Pc,
        hart.Mode,
        [.. Enumerable.Range(0, 32).Select(register => hart[register])],
        [.. Enumerable.Range(0, 32).Select(hart.GetFloat)],
        [.. CsrFile.Saved.Select(number => KeyValuePair.Create(number, hart.Csrs.Save(number, hart.Mmu.Pmp)))]);

    /// <summary>Puts a new hart into the state of a snapshot.</summary>
    /// <remarks>Optimised from the first clone on, as the state is that it comes from.</remarks>
    /// <exception cref="ArgumentException">The snapshot holds a CSR that this hart does not have, an odd pc, or not 32 registers of a
    /// kind.</exception>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Restore(Hart hart, HartSnapshot snapshot)
    {
        if (snapshot.Integers.Count != 32 || snapshot.Floats.Count != 32)
        {
            throw new ArgumentException(
                $"expected 32 integer and 32 floating point registers, found {snapshot.Integers.Count} and {snapshot.Floats.Count}");
        }

        if ((snapshot.Pc & 1) != 0)
        {
            throw new ArgumentException($"pc 0x{snapshot.Pc:x} of the snapshot is odd, which that of no hart is");
        }

        ReadOnlySpan<ulong> integers = AsArray(snapshot.Integers), floats = AsArray(snapshot.Floats);
        for (int register = 0; register < integers.Length; register++)
        {
            hart[register] = integers[register];
            hart.SetFloat(register, floats[register]);
        }

        foreach ((int number, ulong value) in AsArray(snapshot.Csrs))
        {
            if (!hart.Csrs.Restore(number, value, hart.Mmu.Pmp))
            {
                throw new ArgumentException($"CSR 0x{number:x3} of the snapshot is not one of this hart");
            }
        }

        hart.Pc = snapshot.Pc;
        hart.Mode = snapshot.Mode;
        hart.Mmu.FlushAll();
        if (hart.Runs == 0)
        {
            hart.Blocks.ForgetJumps(); // it knows at most what its family begins with, of which it is told when it is written
        }
        else
        {
            hart.Blocks.Fence();
        }
    }

    private static T[] AsArray<T>(IReadOnlyList<T> values) => values as T[] ?? [.. values];
}
