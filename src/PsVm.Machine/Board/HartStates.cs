using System.Runtime.CompilerServices;
using PsVm.Machine.State;
using PsVm.Riscv;

namespace PsVm.Machine.Board;

/// <summary>The harts of a board as a part of its state.</summary>
internal sealed class HartStates(IReadOnlyList<Hart> harts) : IStateful
{
    private const int Registers = 32;
    private const int SavedCsrSize = sizeof(uint) + sizeof(ulong);

    /// <inheritdoc/>
    /// <remarks>Optimised from the first clone on: it is loops over what takes the runtime thirty starts to find out.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Transfer(StateStream state)
    {
        foreach (Hart hart in harts)
        {
            HartSnapshot? snapshot = state.IsReading ? null : hart.Save();
            ulong pc = snapshot?.Pc ?? 0;
            byte mode = (byte)(snapshot?.Mode ?? 0);
            ulong[] integers = snapshot is null ? new ulong[Registers] : [.. snapshot.Integers];
            ulong[] floats = snapshot is null ? new ulong[Registers] : [.. snapshot.Floats];
            KeyValuePair<int, ulong>[] csrs = snapshot is null ? [] : [.. snapshot.Csrs];
            state.Transfer(ref pc);
            state.Transfer(ref mode);
            state.Transfer(integers.AsSpan());
            state.Transfer(floats.AsSpan());
            int count = state.TransferCount(csrs.Length, SavedCsrSize);
            Array.Resize(ref csrs, count);
            foreach (ref KeyValuePair<int, ulong> csr in csrs.AsSpan())
            {
                (uint number, ulong value) = ((uint)csr.Key, csr.Value);
                state.Transfer(ref number);
                state.Transfer(ref value);
                csr = KeyValuePair.Create((int)number, value);
            }

            if (state.IsReading)
            {
                Restore(hart, new HartSnapshot(pc, (PrivilegeMode)mode, integers, floats, csrs));
            }
        }
    }

    private static void Restore(Hart hart, HartSnapshot snapshot)
    {
        if (!Enum.IsDefined(snapshot.Mode))
        {
            throw new InvalidDataException($"hart {hart.Id} in privilege mode {(int)snapshot.Mode}");
        }

        try
        {
            hart.Restore(snapshot);
        }
        catch (ArgumentException wrong)
        {
            throw new InvalidDataException($"hart {hart.Id}: {wrong.Message}", wrong);
        }
    }
}
