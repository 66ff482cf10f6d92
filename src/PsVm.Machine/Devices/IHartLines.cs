using PsVm.Riscv;

namespace PsVm.Machine.Devices;

/// <summary>The wires from interrupt controllers to harts. Safe from any thread.</summary>
internal interface IHartLines
{
    /// <summary>Raises or lowers interrupt lines of a hart, and wakes it when it waits for one.</summary>
    void SetInterrupt(int hart, InterruptLines lines, bool level);

    /// <summary>Makes a hart that waits look again at what it waits for.</summary>
    void Wake(int hart);

    /// <summary>Says that an interrupt source was raised, whether or not a hart has it enabled: it wakes a machine that sleeps.</summary>
    void NoteSource();

    /// <summary>The machine timer's comparator of a hart.</summary>
    ulong GetTimer(int hart);

    /// <summary>Sets the machine timer's comparator of a hart.</summary>
    void SetTimer(int hart, ulong compare);
}
