namespace PsVm.Riscv;

/// <summary>
/// Extensions of RV64 that harts know, in the order in which a device tree names them (unprivileged manual, chapter "ISA Extension Naming
/// Conventions"). A member's name in small letters is the extension's.
/// </summary>
[Flags]
public enum IsaExtensions
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>Integers: the base.</summary>
    I = 1 << 0,

    /// <summary>Multiplication and division.</summary>
    M = 1 << 1,

    /// <summary>Atomics.</summary>
    A = 1 << 2,

    /// <summary>Single precision floating point.</summary>
    F = 1 << 3,

    /// <summary>Double precision floating point.</summary>
    D = 1 << 4,

    /// <summary>Compressed instructions.</summary>
    C = 1 << 5,

    /// <summary>Cache-block management: CBO.CLEAN, CBO.FLUSH, CBO.INVAL.</summary>
    Zicbom = 1 << 6,

    /// <summary>Cache-block prefetches, which are hints.</summary>
    Zicbop = 1 << 7,

    /// <summary>CBO.ZERO.</summary>
    Zicboz = 1 << 8,

    /// <summary>The counters cycle, time and instret.</summary>
    Zicntr = 1 << 9,

    /// <summary>Integer conditional operations: CZERO.EQZ, CZERO.NEZ.</summary>
    Zicond = 1 << 10,

    /// <summary>CSR instructions.</summary>
    Zicsr = 1 << 11,

    /// <summary>FENCE.I.</summary>
    Zifencei = 1 << 12,

    /// <summary>PAUSE, which is a hint.</summary>
    Zihintpause = 1 << 13,

    /// <summary>Waiting for another hart's store: WRS.NTO, WRS.STO.</summary>
    Zawrs = 1 << 14,

    /// <summary>More floating point: constants, rounding to integers, IEEE 754-2019 minimum and maximum, quiet comparisons.</summary>
    Zfa = 1 << 15,

    /// <summary>Address generation.</summary>
    Zba = 1 << 16,

    /// <summary>Basic bit manipulation.</summary>
    Zbb = 1 << 17,

    /// <summary>Single bits.</summary>
    Zbs = 1 << 18,

    /// <summary>The supervisor's own timer comparator.</summary>
    Sstc = 1 << 19,

    /// <summary>A page table entry that becomes valid is seen without a fence.</summary>
    Svvptc = 1 << 20,
}
