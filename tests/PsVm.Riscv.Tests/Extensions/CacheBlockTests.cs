using static PsVm.Riscv.Tests.Asm;
using static PsVm.Riscv.Tests.Extensions.ExtensionMachine;

namespace PsVm.Riscv.Tests.Extensions;

/// <summary>Zicboz and Zicbom: what they do, who may use them, and how they fail (unprivileged manual, chapter "CMO").</summary>
public class CacheBlockTests
{
    private const int Inval = 0, Clean = 1, Flush = 2, ZeroBlock = 4;
    private const ulong InvalidateAsFlush = 1ul << 4, Invalidate = 3ul << 4, CleanEnable = 1ul << 6, ZeroEnable = 1ul << 7;
    private const ulong All = Invalidate | CleanEnable | ZeroEnable;

    // A page table: the code in a page of 1 GiB, what is tested in one of 4 KiB.
    private const ulong Tables = TestMachine.RamBase + 0x100000, Mapped = 0x4000_0000, V = 1, R = 2, W = 4, X = 8, U = 16, A = 64, D = 128;
    private const int Satp = 0x180;

    public static TheoryData<Tier, int> Operations()
    {
        var data = new TheoryData<Tier, int>();
        foreach (Tier tier in Enum.GetValues<Tier>())
        {
            foreach (int operation in (int[])[Inval, Clean, Flush, ZeroBlock])
            {
                data.Add(tier, operation);
            }
        }

        return data;
    }

    public static TheoryData<Tier> Tiers => [.. Enum.GetValues<Tier>()];

    [SkippableTheory]
    [InlineData(Tier.Interpreter, 0ul)]
    [InlineData(Tier.Interpreter, 63ul)]
    [InlineData(Tier.Translator, 0ul)]
    [InlineData(Tier.Translator, 1ul)]
    [InlineData(Tier.Translator, 63ul)]
    [InlineData(Tier.Translator, 4096ul - 64)]
    public void ZeroesTheBlockAroundTheAddressAndNoMore(Tier tier, ulong offset)
    {
        using var machine = new ExtensionMachine(tier);
        Span<byte> ram = machine.Machine.Ram[(int)(Data - TestMachine.RamBase - 128)..][..8192];
        ram.Fill(0xaa);
        machine.Hart[A0] = Data + offset;
        Assert.Equal(0ul, machine.Run(Cbo(ZeroBlock, A0), Cbo(ZeroBlock, A0))); // the second one finds the page in the TLB
        int at = 128 + ((int)offset & ~63);
        Assert.True(ram[at..(at + 64)].IndexOfAnyExcept((byte)0) < 0);
        Assert.True(ram[..at].IndexOfAnyExcept((byte)0xaa) < 0 && ram[(at + 64)..].IndexOfAnyExcept((byte)0xaa) < 0);
        Assert.Equal(Data + offset, machine.Hart[A0]);
    }

    [SkippableTheory]
    [MemberData(nameof(Tiers))]
    public void ManagementLeavesMemoryAsItIs(Tier tier)
    {
        using var machine = new ExtensionMachine(tier);
        machine.Machine.WriteRam(Data, 42);
        machine.Hart[A0] = Data + 7;
        Assert.Equal(0ul, machine.Run(Cbo(Inval, A0), Cbo(Clean, A0), Cbo(Flush, A0)));
        Assert.Equal(42ul, machine.Machine.ReadRam(Data));
    }

    [SkippableTheory]
    [MemberData(nameof(Operations))]
    public void MachineModeNeedsNoLeaveOthersNeedMenvcfgAndUserModeSenvcfgToo(Tier tier, int operation)
    {
        ulong enable = Enable(operation);
        foreach ((ulong menvcfg, ulong senvcfg) in
            ((ulong, ulong)[])[(0, 0), (0, All), (enable, All & ~enable), (enable, enable), (All, enable)])
        {
            foreach (PrivilegeMode mode in Enum.GetValues<PrivilegeMode>())
            {
                using var machine = new ExtensionMachine(tier);
                machine.Set(Menvcfg, menvcfg);
                machine.Set(Senvcfg, senvcfg);
                machine.Hart[A0] = Data;
                bool allowed = mode == PrivilegeMode.Machine
                    || ((menvcfg & enable) != 0 && (mode == PrivilegeMode.Supervisor || (senvcfg & enable) != 0));
                uint instruction = Cbo(operation, A0);
                Assert.Equal(allowed ? 0 : IllegalInstruction, machine.Run(mode, instruction));
                Assert.True(allowed || (machine.Value == instruction && machine.Get(Mepc) == Code));
            }
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Tiers))]
    public void InvalidationMayBeMadeAFlush(Tier tier)
    {
        using var machine = new ExtensionMachine(tier);
        machine.Hart[A0] = Data;
        foreach ((ulong menvcfg, ulong senvcfg) in
            ((ulong, ulong)[])[(InvalidateAsFlush, Invalidate), (Invalidate, InvalidateAsFlush), (InvalidateAsFlush, InvalidateAsFlush)])
        {
            machine.Set(Menvcfg, menvcfg);
            machine.Set(Senvcfg, senvcfg);
            Assert.Equal(0ul, machine.Run(PrivilegeMode.User, Cbo(Inval, A0)));
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Tiers))]
    public void LeaveThatIsTakenAwayIsGoneAtOnce(Tier tier)
    {
        using var machine = new ExtensionMachine(tier);
        machine.Set(Menvcfg, ZeroEnable);
        machine.Set(Senvcfg, ZeroEnable);
        machine.Hart[A0] = Data;
        machine.Hart[A1] = ZeroEnable;
        Assert.Equal(IllegalInstruction, machine.Run(
            PrivilegeMode.Supervisor, Cbo(ZeroBlock, A0), Csrrc(Zero, Senvcfg, A1), Cbo(ZeroBlock, A0), Csrrw(Zero, Menvcfg, Zero)));
        Assert.Equal(Code + 12, machine.Get(Mepc)); // menvcfg is machine mode's; senvcfg is not for supervisor mode
        Assert.Equal(IllegalInstruction, machine.Run(PrivilegeMode.User, Cbo(ZeroBlock, A0)));
        machine.Set(Senvcfg, ZeroEnable);
        Assert.Equal(0ul, machine.Run(PrivilegeMode.User, Cbo(ZeroBlock, A0)));
        machine.Set(Menvcfg, 0);
        Assert.Equal(IllegalInstruction, machine.Run(PrivilegeMode.User, Cbo(ZeroBlock, A0)));
    }

    [Fact]
    public void EnvironmentBitsExistWithTheirExtensionOnly()
    {
        foreach ((IsaExtensions more, ulong bits) in ((IsaExtensions, ulong)[])
        [
            (IsaExtensions.None, 1), (IsaExtensions.Zicboz, 1 | ZeroEnable), (IsaExtensions.Zicbom, 1 | Invalidate | CleanEnable),
            (IsaExtensions.Zicbom | IsaExtensions.Zicboz, 1 | All), (IsaExtensions.Zicbop, 1),
        ])
        {
            using var machine = new ExtensionMachine(Tier.Interpreter, new IsaProfile(IsaProfile.Base.Extensions | more));
            machine.Set(Menvcfg, ulong.MaxValue);
            machine.Set(Senvcfg, ulong.MaxValue);
            Assert.Equal((1ul << 63 | bits, bits), (machine.Get(Menvcfg), machine.Get(Senvcfg)));
            machine.Set(Menvcfg, 0);
            Assert.Equal((0ul, bits), (machine.Get(Menvcfg), machine.Get(Senvcfg)));
        }
    }

    [Fact]
    public void TheReservedInvalidationLeavesTheOldOne()
    {
        using var machine = new ExtensionMachine(Tier.Interpreter);
        foreach (int number in (int[])[Menvcfg, Senvcfg])
        {
            foreach (ulong old in (ulong[])[0, InvalidateAsFlush, Invalidate])
            {
                machine.Set(number, old);
                machine.Set(number, 2ul << 4 | ZeroEnable);
                Assert.Equal(old | ZeroEnable, machine.Get(number));
            }
        }
    }

    [Fact]
    public void SnapshotsHoldTheLeaveThatWasGiven()
    {
        using var machine = new ExtensionMachine(Tier.Interpreter);
        machine.Set(Menvcfg, All);
        machine.Set(Senvcfg, InvalidateAsFlush | ZeroEnable);
        machine.Hart.Mode = PrivilegeMode.User;
        using var other = new ExtensionMachine(Tier.Interpreter);
        other.Hart.Restore(machine.Hart.Save());
        Assert.Equal((All, InvalidateAsFlush | ZeroEnable), (other.Get(Menvcfg), other.Get(Senvcfg)));
        other.Hart[A0] = Data;
        Assert.Equal(0ul, other.Run(PrivilegeMode.User, Cbo(ZeroBlock, A0)));

        // What a hart without the extensions has of it, as a template of an older machine has.
        using var old = new ExtensionMachine(Tier.Interpreter, IsaProfile.Base);
        old.Hart.Restore(machine.Hart.Save());
        Assert.Equal((0ul, 0ul), (old.Get(Menvcfg), old.Get(Senvcfg)));
    }

    [SkippableTheory]
    [MemberData(nameof(Operations))]
    public void NothingThereIsAStoreAccessFaultAtTheAddressGiven(Tier tier, int operation)
    {
        using var machine = new ExtensionMachine(tier);
        ulong address = TestMachine.RamBase + machine.Machine.RamSize + 13;
        machine.Hart[A0] = address;
        Assert.Equal((StoreAccessFault, address), (machine.Run(Cbo(operation, A0)), machine.Value));
    }

    [SkippableTheory]
    [MemberData(nameof(Operations))]
    public void DevicesTakeManagementButNoZeroes(Tier tier, int operation)
    {
        using var machine = new ExtensionMachine(tier);
        machine.Machine.Devices = (0x1000_0000, 0x100);
        machine.Hart[A0] = 0x1000_0020;
        Assert.Equal(operation == ZeroBlock ? StoreAccessFault : 0, machine.Run(Cbo(operation, A0)));
    }

    [SkippableTheory]
    [MemberData(nameof(Operations))]
    public void RomTakesManagementButNoZeroes(Tier tier, int operation)
    {
        const ulong Rom = 0x2000_0000;
        using var machine = new ExtensionMachine(tier, rom: Rom);
        machine.Hart[A0] = Rom + 5;
        Assert.Equal(operation == ZeroBlock ? StoreAccessFault : 0, machine.Run(Cbo(operation, A0)));
        Assert.True(operation != ZeroBlock || machine.Value == Rom + 5);
    }

    // The leaf's bits, and whether management and zeroing are allowed in supervisor mode.
    [SkippableTheory]
    [InlineData(V | R | W | A | D, true, true)]
    [InlineData(V | R | W, true, true)]
    [InlineData(V | R | A, true, false)]
    [InlineData(V | X | A, false, false)]
    [InlineData(V | R | W | U | A | D, false, false)]
    [InlineData(0ul, false, false)]
    public void PagesAllowWhatLoadsOrStoresMayDo(ulong leaf, bool management, bool zero)
    {
        foreach (Tier tier in Enum.GetValues<Tier>())
        {
            foreach (int operation in (int[])[Inval, Clean, Flush, ZeroBlock])
            {
                using ExtensionMachine machine = WithTables(tier, leaf);
                bool allowed = operation == ZeroBlock ? zero : management;
                machine.Hart[A0] = Mapped + 77;
                Assert.Equal(allowed ? 0 : StorePageFault, machine.Run(PrivilegeMode.Supervisor, Cbo(operation, A0)));
                Assert.True(allowed || machine.Value == Mapped + 77);
                ulong after = machine.Machine.ReadRam(Tables + 0x2000) & 0x3ff;
                ulong set = !allowed ? 0 : operation == ZeroBlock ? A | D : A;
                Assert.Equal(leaf | set, after);
            }
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Operations))]
    public void ProtectionIsOfTheWholeBlock(Tier tier, int operation)
    {
        using var machine = new ExtensionMachine(tier);
        machine.Set(Menvcfg, All);
        machine.Set(0x3b0, (Data + 64) >> 2); // up to the block after the first: read only
        machine.Set(0x3b1, (Data + 128) >> 2); // the one after that: nothing
        machine.Set(0x3b2, ulong.MaxValue); // the rest: everything
        machine.Set(0x3a0, 0x1f_08_0d);
        bool zero = operation == ZeroBlock;
        foreach ((ulong address, bool allowed) in
            ((ulong, bool)[])[(Data + 63, !zero), (Data + 64, false), (Data + 127, false), (Data + 128, true)])
        {
            machine.Hart[A0] = address;
            Assert.Equal(allowed ? 0 : StoreAccessFault, machine.Run(PrivilegeMode.Supervisor, Cbo(operation, A0)));
            Assert.True(allowed || machine.Value == address);
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Tiers))]
    public void CodeThatIsZeroedIsGone(Tier tier)
    {
        using var machine = new ExtensionMachine(tier);
        ulong target = Code + 0x1000;
        machine.Machine.Program(target, Addi(A2, A2, 1), Jalr(Zero, Ra, 0));
        machine.Hart[A0] = target;
        Assert.Equal(IllegalInstruction, machine.Run(Jalr(Ra, A0, 0), Cbo(ZeroBlock, A0), FenceI, Jalr(Ra, A0, 0)));
        Assert.Equal((1ul, target, 0ul), (machine.Hart[A2], machine.Get(Mepc), machine.Value));
    }

    /// <summary>A loop is translated as one, and must not go on in a part of it that it has zeroed itself.</summary>
    [SkippableTheory]
    [MemberData(nameof(Tiers))]
    public void ALoopThatZeroesItselfEndsThere(Tier tier)
    {
        const int Counter = A1, Rounds = A3, ToCode = A4, ToData = A5;
        const ulong Rest = Code + 64;
        using var machine = new ExtensionMachine(tier);
        machine.Machine.Program(
            Code,
            Addi(Counter, Counter, -1),
            Addi(T0, Counter, -3),
            R(0x13, 3, 0, T1, T0, 1), // sltiu t1, t0, 1: the counter is 3
            R(0x33, 5, 7, T2, ToCode, T1), // czero.eqz
            Add(A0, ToData, T2),
            Cbo(ZeroBlock, A0),
            Jal(Zero, 40));
        machine.Machine.Program(Rest, Addi(Rounds, Rounds, 1), Bne(Counter, Zero, -68), Jal(Zero, 0));
        machine.Hart[Counter] = 10;
        (machine.Hart[ToData], machine.Hart[ToCode]) = (Data, unchecked(Rest - Data));
        machine.Hart.Run(500);
        Assert.Equal((IllegalInstruction, Rest, 6ul), (machine.Cause, machine.Get(Mepc), machine.Hart[Rounds]));
    }

    private static ulong Enable(int operation) => operation switch
    {
        Inval => Invalidate,
        ZeroBlock => ZeroEnable,
        _ => CleanEnable,
    };

    private static ExtensionMachine WithTables(Tier tier, ulong leaf)
    {
        var machine = new ExtensionMachine(tier);
        machine.Set(Menvcfg, All);
        machine.Machine.WriteRam(Tables + 16, TestMachine.RamBase >> 2 | V | R | W | X | A | D);
        machine.Machine.WriteRam(Tables + 8, (Tables + 0x1000) >> 2 | V);
        machine.Machine.WriteRam(Tables + 0x1000, (Tables + 0x2000) >> 2 | V);
        machine.Machine.WriteRam(Tables + 0x2000, Data >> 2 | leaf);
        machine.Set(Satp, 8ul << 60 | Tables >> 12);
        return machine;
    }

    private static uint Cbo(int operation, int rs1) => (uint)(operation << 20 | rs1 << 15 | 2 << 12 | 0x0f);
}
