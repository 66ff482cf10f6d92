using PsVm.Riscv.Tests.Extensions;
using static PsVm.Riscv.Tests.Asm;

namespace PsVm.Riscv.Tests.Memory;

/// <summary>Tables of translations and of jumps are zeros at first, and 0 is an address as any other.</summary>
public sealed class AddressZeroTests
{
    private const ulong FetchAccessFault = 1;

    [SkippableTheory]
    [InlineData(Tier.Interpreter, PrivilegeMode.Machine)]
    [InlineData(Tier.Interpreter, PrivilegeMode.Supervisor)]
    [InlineData(Tier.Interpreter, PrivilegeMode.User)]
    [InlineData(Tier.Translator, PrivilegeMode.Machine)]
    [InlineData(Tier.Translator, PrivilegeMode.Supervisor)]
    [InlineData(Tier.Translator, PrivilegeMode.User)]
    public void Where_nothing_is_a_hart_faults_the_first_time_and_ever_again(Tier tier, PrivilegeMode mode)
    {
        using ExtensionMachine machine = new(tier);
        for (int turn = 0; turn < 4; turn++)
        {
            Assert.Equal(ExtensionMachine.LoadAccessFault, machine.Run(mode, Ld(A4, Zero, 8)));
            Assert.Equal(ExtensionMachine.StoreAccessFault, machine.Run(mode, Sd(A4, Zero, 8)));
            Assert.Equal(ExtensionMachine.LoadAccessFault, machine.Run(mode, Ld(A4, Zero, -4))); // ends at 3
            Assert.Equal(ExtensionMachine.StoreAccessFault, machine.Run(mode, Sd(A4, Zero, -4)));
            Assert.Equal(FetchAccessFault, machine.Run(mode, Jalr(Ra, Zero, 0)));
            machine.Hart.Mmu.FlushAll();
        }
    }

    [SkippableTheory]
    [InlineData(Tier.Interpreter)]
    [InlineData(Tier.Translator)]
    public void What_is_there_is_loaded_and_run(Tier tier)
    {
        using ExtensionMachine machine = new(tier, rom: 0);
        for (int turn = 0; turn < 4; turn++)
        {
            machine.Hart[A4] = 1;
            Assert.Equal(0ul, machine.Run(Ld(A4, Zero, 8)));
            Assert.Equal(0ul, machine.Hart[A4]);
            Assert.Equal(ExtensionMachine.IllegalInstruction, machine.Run(Jalr(Ra, Zero, 0)));
            Assert.Equal(0ul, machine.Get(ExtensionMachine.Mepc));
        }
    }
}
