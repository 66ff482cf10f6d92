using static PsVm.Riscv.Tests.Asm;

namespace PsVm.Riscv.Tests;

public sealed class HartProfileTests
{
    [Fact]
    public void WhatAHartDidBeforeItWasDisposedOfIsCountedOnce()
    {
        HartProfile profile;
        using (TestMachine machine = new())
        {
            machine.Program(TestMachine.RamBase, Addi(A0, A0, 1), Jal(Zero, -4));
            profile = HartProfile.Make(machine.Hart);
            machine.Hart.Run(100);
            Assert.Equal(machine.Hart.InstructionsRetired, HartProfile.TakeAll().Instructions);
            machine.Hart.Run(1000);
            profile.End();
            profile.End();
        }

        Assert.InRange(HartProfile.TakeAll().Instructions, 1000ul, 1100ul);
        Assert.Equal(0ul, HartProfile.TakeAll().Instructions);
        HartProfile.AskAll();
    }
}
