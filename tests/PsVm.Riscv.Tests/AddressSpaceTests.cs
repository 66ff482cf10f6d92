using static PsVm.Riscv.Tests.Asm;

namespace PsVm.Riscv.Tests;

/// <summary>
/// Translations of several address spaces beside each other. That one is still known shows where its entry's A bit, once taken away in
/// memory, does not come back: a walk would set it.
/// </summary>
public abstract class AddressSpaceTests : IDisposable
{
    private const ulong Tables = TestMachine.RamBase + 0x100000, Pages = TestMachine.RamBase + 0x200000,
        Handler = TestMachine.RamBase + 0x8000;
    private const ulong Address = 0x12_3456_7000, CodeAddress = 0x4000_0000, Superpage = 0x5060_0000;
    private const ulong V = 1, R = 2, W = 4, X = 8, U = 16, G = 32, A = 64, D = 128, Sum = 1 << 18;
    private const ulong TableBytes = 0x8000;
    private const int Mstatus = 0x300, Mtvec = 0x305, Mcause = 0x342, Satp = 0x180, Spaces = 7;

    private readonly CodeCache _code;
    private readonly TestMachine _machine;

    protected AddressSpaceTests(TranslatorOptions options)
    {
        _code = new CodeCache(options);
        _machine = new TestMachine(code: _code);
        _machine.Program(Handler, Jal(Zero, 0));
        _machine.Hart.TryWriteCsr(Mtvec, Handler);
    }

    public void Dispose()
    {
        _machine.Dispose();
        _code.Dispose();
        GC.SuppressFinalize(this);
    }

    [Theory]
    [InlineData(PrivilegeMode.Supervisor, R | W, 0ul)]
    [InlineData(PrivilegeMode.Supervisor, R | W | U, Sum)]
    [InlineData(PrivilegeMode.User, R | W | U, 0ul)]
    public void EachSpaceHasItsOwnPages(PrivilegeMode mode, ulong flags, ulong status)
    {
        Prepare(flags, mode, status);
        for (int turn = 0; turn < 3; turn++)
        {
            for (int space = 0; space < Spaces; space++)
            {
                Use(space);
                Assert.Equal((ulong)space, Load());
            }
        }
    }

    [Theory]
    [InlineData(PrivilegeMode.Supervisor, R | W | U, Sum)]
    [InlineData(PrivilegeMode.User, R | W | U, 0ul)]
    public void ASwitchForgetsNothing(PrivilegeMode mode, ulong flags, ulong status)
    {
        Prepare(flags, mode, status);
        Know(0, 1);

        Use(0);
        Assert.Equal(0ul, Load());
        Use(1);
        Assert.Equal(1ul, Load());

        Assert.Equal((false, false), (Walked(0), Walked(1)));
    }

    [Fact]
    public void WhatIsGlobalStaysWhatIsNotGoes()
    {
        Prepare(R | W | G, PrivilegeMode.Supervisor, 0);
        Know(0);
        Use(1);
        Assert.Equal(0ul, Load()); // software must not do this: a page that is global in one space is so in all
        Assert.False(Walked(0));

        SetLeaf(0, R | W);
        SetLeaf(1, R | W);
        Fence(Zero, Zero);
        Know(0);
        Use(1);
        Assert.Equal(1ul, Load());
    }

    [Fact]
    public void ManySpacesMakeRoomForEachOther()
    {
        Prepare(R | W | U, PrivilegeMode.User, 0);
        Know([.. Enumerable.Range(0, Spaces)]);

        for (int space = Spaces - 1; space >= 0; space--)
        {
            Use(space);
            Assert.Equal((ulong)space, Load());
        }

        // As many as are kept beside each other were known.
        Assert.Equal(Mmu.AddressSpaces.Count, Enumerable.Range(0, Spaces).Count(space => !Walked(space)));
    }

    [Theory]
    [InlineData(false, false, true, true)] // everything
    [InlineData(true, false, true, true)] // an address
    [InlineData(false, true, false, true)] // a space
    [InlineData(true, true, false, true)] // an address in a space
    public void AFenceForgetsWhatItNames(bool address, bool space, bool first, bool second)
    {
        Prepare(R | W | U, PrivilegeMode.User, 0);
        Know(0, 1);
        Use(0);
        _machine.Hart[A3] = Asid(1);
        Fence(address ? A1 : Zero, space ? A3 : Zero);

        Use(0);
        Load();
        Use(1);
        Load();

        Assert.Equal((first, second), (Walked(0), Walked(1)));
    }

    [Theory]
    [InlineData(Address + 0x1000, 1, true)]
    [InlineData(Address + 0x1000, 1, false)]
    [InlineData(Address, 5, true)]
    [InlineData(0ul, 5, true)]
    public void AFenceOfAnotherAddressOrSpaceForgetsNothing(ulong address, int space, bool withSpace)
    {
        Prepare(R | W | U, PrivilegeMode.User, 0);
        Know(0, 1);
        Use(0);
        (_machine.Hart[A1], _machine.Hart[A3]) = (address, Asid(space));
        Run(SfenceVma(address == 0 ? Zero : A1, withSpace ? A3 : Zero));

        Use(0);
        Load();
        Use(1);
        Load();

        Assert.Equal((false, false), (Walked(0), Walked(1)));
    }

    [Fact]
    public void AFenceOfASpaceLeavesGlobalPages()
    {
        Prepare(R | W | G, PrivilegeMode.Supervisor, 0);
        Know(0);
        _machine.Hart[A3] = Asid(0);
        Fence(Zero, A3);
        Fence(A1, A3);
        Load();
        Assert.False(Walked(0));
        Fence(A1, Zero);
        Load();
        Assert.True(Walked(0));
    }

    [Theory]
    [InlineData(PrivilegeMode.User)]
    [InlineData(PrivilegeMode.Supervisor)]
    public void AFenceInASuperpageForgetsAllOfIt(PrivilegeMode mode)
    {
        foreach (bool space in (bool[])[false, true])
        {
            Prepare(R | W | U, mode, mode == PrivilegeMode.Supervisor ? Sum : 0);
            for (int i = 0; i < 2; i++)
            {
                Use(i);
                SetSuperpage(i, Pages);
                _machine.WriteRam(Pages + 0x5008, 55);
                _machine.WriteRam(Pages + 0x20_5008, 66);
                Assert.Equal(55ul, Load(Superpage + 0x5008));
                SetSuperpage(i, Pages + 0x20_0000);
                Assert.Equal(55ul, Load(Superpage + 0x5008));
            }

            (_machine.Hart[A1], _machine.Hart[A3]) = (Superpage + 0x9000, Asid(1));
            Run(SfenceVma(A1, space ? A3 : Zero));

            Assert.Equal(66ul, Load(Superpage + 0x5008));
            Use(0);
            Assert.Equal(space ? 55ul : 66, Load(Superpage + 0x5008));
        }
    }

    [Fact]
    public void AnotherNumberOfLevelsIsAnotherSpace()
    {
        Prepare(R | W | U, PrivilegeMode.User, 0);
        Know(0);
        ulong satp = SatpOf(0);
        _machine.Hart.TryWriteCsr(Satp, 0);
        Assert.Equal(1ul, LoadFault()); // the address is no RAM: the instruction cannot be fetched
        _machine.Hart.TryWriteCsr(Satp, satp);
        Assert.Equal(0ul, Load());
        Assert.True(Walked(0));
    }

    [Theory]
    [InlineData(PrivilegeMode.User)]
    [InlineData(PrivilegeMode.Supervisor)]
    public void CodeIsThatOfTheSpace(PrivilegeMode mode)
    {
        ulong flags = mode == PrivilegeMode.User ? U : 0;
        Prepare(R | W | X | flags, mode, 0);
        for (int space = 0; space < Spaces; space++)
        {
            _machine.Program(Pages + ((ulong)space << 12), Addi(A0, Zero, 100 + space), Addi(A0, A0, 0), Jal(Zero, 0));
        }

        for (int turn = 0; turn < 4; turn++)
        {
            for (int space = 0; space < Spaces; space += 1 + (turn % 2))
            {
                Use(space);
                _machine.Hart.Mode = mode;
                _machine.Hart.Pc = Address;
                _machine.Hart.Run(3);
                Assert.Equal(100ul + (ulong)space, _machine.Hart[A0]);
            }
        }
    }

    [Fact]
    public void ASupervisorSwitchesUnderItself()
    {
        Prepare(R | W, PrivilegeMode.Supervisor, 0);
        for (int turn = 0; turn < 6; turn++)
        {
            for (int space = 0; space < Spaces; space++)
            {
                _machine.Hart[A3] = SatpOf(space);
                (_machine.Hart[A1], _machine.Hart[A0]) = (Address, 99);
                Run(Csrrw(Zero, Satp, A3), Ld(A0, A1, 0));
                Assert.Equal((ulong)space, _machine.Hart[A0]);
            }
        }
    }

    [Theory]
    [InlineData(Address, 4096ul, 1, false, true)]
    [InlineData(Address - 4096, 2 * 4096ul, 1, false, true)]
    [InlineData(Address + 4095, 2ul, 1, false, true)]
    [InlineData(Address + 4096, 4096ul, 1, false, false)]
    [InlineData(Address - 4096, 4096ul, 1, false, false)]
    [InlineData(Address, 4096ul, null, true, true)]
    [InlineData(Address - 0x1000_0000, 0x2000_0000ul, null, true, true)]
    [InlineData(0ul, ulong.MaxValue, 1, false, true)]
    [InlineData(0ul, ulong.MaxValue, null, true, true)]
    [InlineData(ulong.MaxValue - 5, 0x4000ul, 1, false, false)]
    public void ARemoteFenceForgetsItsRange(ulong start, ulong size, int? asid, bool first, bool second)
    {
        Prepare(R | W | U, PrivilegeMode.User, 0);
        Know(0, 1);
        _machine.Hart.RequestAddressFence(start, size, asid is { } one ? (int)Asid(one) : null);

        Use(0);
        Load();
        Use(1);
        Load();

        Assert.Equal((first, second), (Walked(0), Walked(1)));
    }

    [Theory]
    [InlineData(5)]
    [InlineData(40)]
    public void ManyRemoteFencesAreAllDone(int fences)
    {
        Prepare(R | W | U, PrivilegeMode.User, 0);
        Know(0);
        for (int i = 0; i < fences; i++)
        {
            _machine.Hart.RequestAddressFence(i == fences - 1 ? Address : (ulong)i << 12, 4096, (int)Asid(0));
        }

        Load();
        Assert.True(Walked(0));
    }

    private static ulong Asid(int space) => 0x8000 + (ulong)space;

    private static ulong Root(int space) => Tables + (TableBytes * (ulong)space);

    private static ulong SatpOf(int space) => 8ul << 60 | Asid(space) << 44 | Root(space) >> 12;

    private static ulong Leaf(int space) => Root(space) + 0x2000 + ((Address >> 12 & 511) * 8);

    private void Prepare(ulong flags, PrivilegeMode mode, ulong status)
    {
        Hart hart = _machine.Hart;
        for (int space = 0; space < Spaces; space++)
        {
            ulong root = Root(space), code = mode == PrivilegeMode.User ? U : G;
            _machine.WriteRam(root + ((Address >> 30 & 511) * 8), Entry(root + 0x1000, V));
            _machine.WriteRam(root + 0x1000 + ((Address >> 21 & 511) * 8), Entry(root + 0x2000, V));
            SetLeaf(space, flags);
            _machine.WriteRam(root + ((CodeAddress >> 30 & 511) * 8), Entry(root + 0x3000, V));
            _machine.WriteRam(root + 0x3000, Entry(root + 0x4000, V));
            _machine.WriteRam(root + 0x4000, Entry(TestMachine.RamBase, V | R | X | A | code));
            _machine.WriteRam(root + 0x4008, Entry(TestMachine.RamBase + 0x1000, V | R | X | A | G)); // supervisor mode's
            _machine.WriteRam(Pages + ((ulong)space << 12), (ulong)space);
        }

        hart.TryWriteCsr(Satp, SatpOf(0));
        hart.TryWriteCsr(Mstatus, status);
        hart.Mode = mode;
        hart.Mmu.FlushAll();
        (hart[A1], hart[A3]) = (Address, 0);
    }

    private void SetLeaf(int space, ulong flags) =>
        _machine.WriteRam(Leaf(space), Entry(Pages + ((ulong)space << 12), flags | V | A | D));

    private void SetSuperpage(int space, ulong page) =>
        _machine.WriteRam(Root(space) + 0x3000 + ((Superpage >> 21 & 511) * 8), Entry(page, V | R | W | U | A | D));

    private void Use(int space) => Assert.True(_machine.Hart.TryWriteCsr(Satp, SatpOf(space)));

    /// <summary>Has the hart look the address up in some spaces, and takes A from their entries.</summary>
    private void Know(params int[] spaces)
    {
        foreach (int space in spaces)
        {
            Use(space);
            Load();
            _machine.WriteRam(Leaf(space), _machine.ReadRam(Leaf(space)) & ~A);
        }
    }

    private bool Walked(int space) => (_machine.ReadRam(Leaf(space)) & A) != 0;

    private ulong Load(ulong address = Address)
    {
        _machine.Hart[A1] = address;
        PrivilegeMode mode = _machine.Hart.Mode;
        Run(mode, CodeAddress, Ld(A0, A1, 0));
        return _machine.Hart[A0];
    }

    private ulong LoadFault()
    {
        _machine.Hart.TryWriteCsr(Mcause, 0);
        PrivilegeMode mode = _machine.Hart.Mode;
        _machine.Hart.Pc = CodeAddress;
        _machine.Hart.Run(1);
        _machine.Hart.Mode = mode;
        Assert.True(_machine.Hart.TryReadCsr(Mcause, out ulong cause));
        return cause;
    }

    private void Fence(int address, int space)
    {
        _machine.Hart[A1] = Address;
        Run(SfenceVma(address, space));
    }

    private void Run(params uint[] instructions) => Run(PrivilegeMode.Supervisor, CodeAddress + 0x1000, instructions);

    private void Run(PrivilegeMode mode, ulong at, params uint[] instructions)
    {
        PrivilegeMode before = _machine.Hart.Mode;
        ulong place = TestMachine.RamBase + (at - CodeAddress);
        _machine.Program(place, [.. instructions, Jal(Zero, 0)]);
        _machine.Memory.NotifyWritten(place, 64);
        _machine.Hart.TryWriteCsr(Mcause, 0);
        (_machine.Hart.Mode, _machine.Hart.Pc) = (mode, at);
        _machine.Hart.Run((ulong)instructions.Length);
        Assert.True(_machine.Hart.TryReadCsr(Mcause, out ulong cause));
        Assert.Equal(0ul, cause);
        _machine.Hart.Mode = before;
    }

    private static ulong Entry(ulong page, ulong flags) => page >> 12 << 10 | flags;
}

/// <summary>On the interpreter.</summary>
public sealed class AddressSpaceInterpreterTests() : AddressSpaceTests(TranslatorOptions.Off);

/// <summary>In translated code, where the host runs any.</summary>
public sealed class AddressSpaceTranslatorTests() : AddressSpaceTests(new TranslatorOptions { Threshold = 1 });
