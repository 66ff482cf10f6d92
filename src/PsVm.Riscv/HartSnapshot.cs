namespace PsVm.Riscv;

/// <summary>Everything a guest can see of a hart between two instructions; RAM, devices and their lines are kept elsewhere.</summary>
/// <param name="Pc">Address of the next instruction.</param>
/// <param name="Mode">The privilege mode.</param>
/// <param name="Integers">x0 to x31.</param>
/// <param name="Floats">f0 to f31, NaN-boxed.</param>
/// <param name="Csrs">CSRs by number, in the order in which they are written back.</param>
public sealed record HartSnapshot(
    ulong Pc,
    PrivilegeMode Mode,
    IReadOnlyList<ulong> Integers,
    IReadOnlyList<ulong> Floats,
    IReadOnlyList<KeyValuePair<int, ulong>> Csrs);
