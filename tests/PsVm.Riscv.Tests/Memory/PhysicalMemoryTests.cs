using System.Runtime.InteropServices;
using PsVm.Riscv.Memory;

namespace PsVm.Riscv.Tests.Memory;

/// <summary>The one way to RAM: two writable blocks side by side, a read-only one behind them, a hole, and another block.</summary>
public sealed unsafe class PhysicalMemoryTests : IDisposable
{
    private const ulong Page = 0x1000;
    private const ulong First = 0x8000_0000, Second = First + (2 * Page), Rom = First + (4 * Page), Hole = First + (5 * Page);
    private const ulong Last = First + (16 * Page);
    private const ulong End = Last + Page;

    private readonly byte* _host = (byte*)NativeMemory.AlignedAlloc(6 * (nuint)Page, (nuint)Page);
    private readonly PhysicalMemory _memory = new();

    public PhysicalMemoryTests()
    {
        // Host memory in another order than the guest's, so that a piece that ran on into the next would be seen.
        NativeMemory.Fill(_host, 6 * (nuint)Page, 0xa5);
        _memory.AddRam(First, (nint)(_host + (4 * Page)), 2 * Page, readOnly: false);
        _memory.AddRam(Second, (nint)_host, 2 * Page, readOnly: false);
        _memory.AddRam(Rom, (nint)(_host + (2 * Page)), Page, readOnly: true);
        _memory.AddRam(Last, (nint)(_host + (3 * Page)), Page, readOnly: false);
    }

    public void Dispose() => NativeMemory.AlignedFree(_host);

    public static TheoryData<ulong, ulong, RamStatus, ulong, RamStatus, ulong> Ranges => new()
    {
        { First, 4 * Page, RamStatus.Done, 4 * Page, RamStatus.Done, 4 * Page },
        { First + 1, 0, RamStatus.Done, 0, RamStatus.Done, 0 },
        { Second - 3, 6, RamStatus.Done, 6, RamStatus.Done, 6 },
        { Rom - 3, 6, RamStatus.Done, 6, RamStatus.ReadOnly, 3 },
        { Rom, 1, RamStatus.Done, 1, RamStatus.ReadOnly, 0 },
        { Hole - 1, 2, RamStatus.NoRam, 1, RamStatus.ReadOnly, 0 },
        { Hole, 1, RamStatus.NoRam, 0, RamStatus.NoRam, 0 },
        { First - 1, 2, RamStatus.NoRam, 0, RamStatus.NoRam, 0 },
        { 0x1000_0000, 1, RamStatus.NoRam, 0, RamStatus.NoRam, 0 },
        { End - 1, 1, RamStatus.Done, 1, RamStatus.Done, 1 },
        { End - 1, 5000, RamStatus.NoRam, 1, RamStatus.NoRam, 1 },
        { ulong.MaxValue, 1, RamStatus.NoRam, 0, RamStatus.NoRam, 0 },
        { ulong.MaxValue, 2, RamStatus.Overflow, 0, RamStatus.Overflow, 0 },
        { End - 1, ulong.MaxValue, RamStatus.Overflow, 0, RamStatus.Overflow, 0 },
    };

    [Theory]
    [MemberData(nameof(Ranges))]
    public void Every_way_in_knows_ends_holes_ROM_and_overflow(
        ulong address, ulong length, RamStatus reading, ulong readable, RamStatus writing, ulong writable)
    {
        GuestAddress at = new(address);
        Assert.Equal(new RamOutcome(reading, readable), _memory.Check(at, length, RamUse.Read));
        Assert.Equal(new RamOutcome(writing, writable), _memory.Check(at, length, RamUse.Write));
        Assert.Equal(new RamOutcome(writing, writable), _memory.Fill(at, length, 0x11));
        Assert.Equal(new RamOutcome(reading, readable), _memory.Visit(at, length, RamUse.Read, part => part.Length));
        Assert.Equal(new RamOutcome(writing, writable), _memory.Visit(at, length, RamUse.Write, Set));
        if (length <= 0x1_0000)
        {
            byte[] bytes = new byte[length];
            Assert.Equal(new RamOutcome(reading, readable), _memory.Read(at, bytes));
            Assert.Equal(new RamOutcome(writing, writable), _memory.Write(at, bytes));
        }

        Assert.Equal(0xa5, _host[2 * Page]); // ROM
        static int Set(Span<byte> part)
        {
            part.Fill(0x22);
            return part.Length;
        }
    }

    [Fact]
    public void Bytes_come_back_from_where_they_were_written_across_blocks()
    {
        byte[] bytes = [.. Enumerable.Range(0, 300).Select(value => (byte)value)];
        byte[] back = new byte[302];

        Assert.True(_memory.Write(new GuestAddress(Second - 100), bytes).IsDone);
        Assert.True(_memory.Read(new GuestAddress(Second - 101), back).IsDone);

        Assert.Equal([0xa5, .. bytes, 0xa5], back);
        Assert.Equal(bytes[..100], new Span<byte>(_host + (6 * Page) - 100, 100).ToArray());
        Assert.Equal(bytes[100..], new Span<byte>(_host, 200).ToArray());
    }

    [Fact]
    public void What_could_not_be_read_leaves_the_rest_as_it_was()
    {
        byte[] back = [1, 2, 3];

        Assert.Equal(new RamOutcome(RamStatus.NoRam, 1), _memory.Read(new GuestAddress(End - 1), back));

        Assert.Equal([0xa5, 2, 3], back);
    }

    [Theory]
    [InlineData(Second - 8, Second - 40, 16)] // across blocks
    [InlineData(Second - 100, Second - 90, 200)] // overlapping, forwards and backwards
    [InlineData(Second - 90, Second - 100, 200)]
    [InlineData(First, First, 4 * Page)]
    [InlineData(First, First + 1, (4 * Page) - 1)]
    [InlineData(Rom, First + 7, Page)]
    public void A_copy_within_RAM_is_as_if_by_way_of_a_buffer(ulong from, ulong to, ulong length)
    {
        Dice dice = new(7, 0);
        byte[] all = new byte[4 * Page];
        for (int i = 0; i < all.Length; i++)
        {
            all[i] = (byte)dice.Next(256);
        }

        Assert.True(_memory.Write(new GuestAddress(First), all).IsDone);
        byte[] expected = new byte[length];
        Assert.True(_memory.Read(new GuestAddress(from), expected).IsDone);

        Assert.Equal(new RamOutcome(RamStatus.Done, length), _memory.Copy(new GuestAddress(from), new GuestAddress(to), length));

        byte[] found = new byte[length];
        Assert.True(_memory.Read(new GuestAddress(to), found).IsDone);
        Assert.Equal(expected, found);
    }

    [Theory]
    [InlineData(Rom - 2, First, 8, RamStatus.Done, 8)]
    [InlineData(First, Rom - 2, 8, RamStatus.ReadOnly, 2)]
    [InlineData(Hole - 2, First, 8, RamStatus.NoRam, 2)]
    [InlineData(First, ulong.MaxValue - 1, 8, RamStatus.Overflow, 0)]
    public void A_copy_that_cannot_be_whole_is_none(ulong from, ulong to, ulong length, RamStatus status, ulong bytes)
    {
        byte[] before = new Span<byte>(_host, 6 * (int)Page).ToArray();

        Assert.Equal(new RamOutcome(status, bytes), _memory.Copy(new GuestAddress(from), new GuestAddress(to), length));

        Assert.Equal(before, new Span<byte>(_host, 6 * (int)Page).ToArray()); // all bytes were the same before
    }

    [Fact]
    public void Numbers_are_little_endian_wherever_they_lie()
    {
        foreach (ulong address in (ulong[])[First + 8, First + 3, Second - 3])
        {
            GuestAddress at = new(address);
            Assert.True(_memory.Store(at, 0x1122_3344_5566_7788ul).IsDone);
            Assert.True(_memory.TryLoad(at, out ulong wide) && _memory.TryLoad(at, out uint word) && wide == 0x1122_3344_5566_7788
                && word == 0x5566_7788);
            Assert.True(_memory.Store(at, (byte)0xff).IsDone && _memory.TryLoad(at, out ushort half) && half == 0x77ff);
        }

        Assert.Equal(new RamOutcome(RamStatus.ReadOnly, 0), _memory.Store(new GuestAddress(Rom - 4), 1ul));
        Assert.True(_memory.TryLoad(new GuestAddress(Rom - 4), out uint untouched) && untouched == 0xa5a5_a5a5);
        Assert.False(_memory.TryLoad(new GuestAddress(End - 4), out ulong none) || none != 0);
        Assert.False(_memory.TryLoad(new GuestAddress(ulong.MaxValue), out ushort _));
    }

    [Fact]
    public void A_visitor_that_stops_ends_the_access()
    {
        List<int> parts = [];

        RamOutcome outcome = _memory.Visit(new GuestAddress(First + 1), 4 * Page, RamUse.Read, part =>
        {
            parts.Add(part.Length);
            return parts.Count == 1 ? part.Length : 5;
        });

        Assert.Equal(new RamOutcome(RamStatus.Incomplete, (2 * Page) - 1 + 5), outcome);
        Assert.Equal([(int)(2 * Page) - 1, (int)(2 * Page)], parts);
    }

    [Fact]
    public void What_is_written_is_dirty_until_it_is_asked_for()
    {
        Assert.Null(_memory.TakeDirtyPages());
        _memory.TrackDirtyPages(true);

        Assert.Equal([0ul], _memory.TakeDirtyPages()!);
        _memory.Write(new GuestAddress(First + Page - 1), new byte[2]); // pages 0 and 1
        _memory.Store(new GuestAddress(Last + 8), 1u); // page 5
        _memory.Fill(new GuestAddress(Rom), 1, 1); // refused
        _memory.Read(new GuestAddress(Second), new byte[1]);
        Assert.Equal([0b10_0011ul], _memory.TakeDirtyPages()!);
        _memory.Copy(new GuestAddress(First), new GuestAddress(Second + Page), 1); // page 3
        Assert.Throws<InvalidOperationException>(
            () => _memory.Visit(new GuestAddress(Second), 1, RamUse.Write, _ => throw new InvalidOperationException()));
        Assert.Equal([0b1100ul], _memory.TakeDirtyPages()!);
        Assert.Equal([0ul], _memory.TakeDirtyPages()!);

        _memory.TrackDirtyPages(false);
        Assert.Null(_memory.TakeDirtyPages());
    }

    [Fact]
    public void No_mark_of_many_writers_is_lost()
    {
        const int writers = 4, rounds = 20_000;
        _memory.TrackDirtyPages(true);
        int left = writers;
        Thread[] threads = [.. Enumerable.Range(0, writers).Select(writer => new Thread(() =>
        {
            for (int round = 1; round <= rounds; round++)
            {
                _memory.Store(new GuestAddress(First + ((ulong)writer * Page)), (uint)round);
            }

            Interlocked.Decrement(ref left);
        }))];
        Array.ForEach(threads, thread => thread.Start());

        // A page that is not marked now holds what it held when its mark was taken.
        uint[] seen = new uint[writers];
        bool last;
        do
        {
            last = Volatile.Read(ref left) == 0;
            ulong marks = _memory.TakeDirtyPages()![0];
            for (int writer = 0; writer < writers; writer++)
            {
                if ((marks >> writer & 1) != 0)
                {
                    _memory.TryLoad(new GuestAddress(First + ((ulong)writer * Page)), out seen[writer]);
                }
            }
        }
        while (!last);

        Array.ForEach(threads, thread => thread.Join());
        Assert.All(seen, value => Assert.Equal((uint)rounds, value));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void What_a_hart_writes_is_dirty_each_time_it_is_asked_for(bool translate)
    {
        using CodeCache code = new(translate ? new TranslatorOptions() : TranslatorOptions.Off);
        using TestMachine machine = new(0x8000, code: code);
        ulong data = TestMachine.RamBase + 0x3000;
        machine.Program(TestMachine.RamBase, Asm.Sd(Asm.A1, Asm.A0, 0), Asm.Addi(Asm.A1, Asm.A1, 1), Asm.Jal(Asm.Zero, -8));
        machine.Hart[Asm.A0] = data;
        machine.Hart.Run(50_000);
        machine.Memory.TrackDirtyPages(true);

        for (int round = 0; round < 3; round++)
        {
            machine.Hart.Run(50_000);
            Assert.Equal([0b1000ul], machine.Memory.TakeDirtyPages()!);
        }

        Assert.Equal([0ul], machine.Memory.TakeDirtyPages()!);
    }

    [Fact]
    public void A_page_table_that_a_walk_writes_is_dirty()
    {
        using TestMachine machine = new(0x8000);
        const ulong root = TestMachine.RamBase + 0x2000;
        const ulong leafWithoutAccessed = 0b1111; // V R W X
        machine.WriteRam(root + (2 * 8), (0x8000_0000ul >> 12 << 10) | leafWithoutAccessed);
        machine.Program(TestMachine.RamBase, Asm.Jal(Asm.Zero, 0));
        machine.Hart.TryWriteCsr(0x3b0, ulong.MaxValue);
        machine.Hart.TryWriteCsr(0x3a0, 0x1f);
        machine.Hart.TryWriteCsr(0x180, (8ul << 60) | (root >> 12));
        machine.Hart.Mode = PrivilegeMode.Supervisor;
        machine.Memory.TrackDirtyPages(true);

        machine.Hart.Run(10);

        Assert.Equal([0b100ul], machine.Memory.TakeDirtyPages()!);
    }

    [Fact]
    public void No_write_of_a_hart_that_runs_is_lost_between_two_looks()
    {
        const int pages = 4;
        using TestMachine machine = new(0x8000);
        ulong data = TestMachine.RamBase + 0x1000;
        List<uint> program = [Asm.Addi(Asm.A1, Asm.A1, 1)];
        for (uint page = 0; page < pages; page++)
        {
            program.AddRange([Asm.Lui(Asm.A2, page), Asm.Add(Asm.A2, Asm.A2, Asm.A0), Asm.Sd(Asm.A1, Asm.A2, 0)]);
        }

        machine.Program(TestMachine.RamBase, [.. program, Asm.Jal(Asm.Zero, -4 * program.Count)]);
        machine.Hart[Asm.A0] = data;
        machine.Memory.TrackDirtyPages(true);
        bool stop = false;
        var runner = new Thread(() =>
        {
            while (!Volatile.Read(ref stop))
            {
                machine.Hart.Run(100_000);
            }
        });
        runner.Start();
        Assert.True(SpinWait.SpinUntil(() => machine.ReadRam(data) != 0, TimeSpan.FromSeconds(30)), "the hart does not run");

        // The copy of a checkpoint: a page that is not marked is as it was copied last.
        ulong[] copies = new ulong[pages];
        for (int round = 0; round < 2000; round++)
        {
            Copy();
        }

        Volatile.Write(ref stop, true);
        machine.Hart.RequestExit();
        runner.Join();
        Copy();

        Assert.NotEqual(0ul, copies[0]);
        for (int page = 0; page < pages; page++)
        {
            Assert.Equal(machine.ReadRam(data + ((ulong)page << 12)), copies[page]);
        }

        void Copy()
        {
            ulong marks = machine.Memory.TakeDirtyPages()![0];
            for (int page = 0; page < pages; page++)
            {
                if ((marks >> (page + 1) & 1) != 0)
                {
                    Assert.True(machine.Memory.TryLoad(new GuestAddress(data + ((ulong)page << 12)), out copies[page]));
                }
            }
        }
    }

    [Theory]
    [InlineData(First + Page, 0, Page)]
    [InlineData(Hole, 1, 0)]
    [InlineData(First - Page, 0, 2 * Page)]
    [InlineData(ulong.MaxValue - Page + 1, 0, Page)]
    [InlineData(Hole, 0, ulong.MaxValue - Page + 1)]
    public void RAM_that_cannot_be_is_refused(ulong address, int hostOffset, ulong length) =>
        Assert.Throws<ArgumentException>(() => _memory.AddRam(address, (nint)_host + hostOffset, length, readOnly: false));

    [Fact]
    public void A_write_is_told_to_harts_that_keep_its_code()
    {
        using TestMachine machine = new(0x4000);
        machine.Program(TestMachine.RamBase, Asm.Addi(Asm.A2, Asm.Zero, 1), Asm.Jal(Asm.Zero, 0));
        machine.Hart.Pc = TestMachine.RamBase;
        machine.Hart.Run(10);
        Assert.Equal(1ul, machine.Hart[Asm.A2]);

        Assert.True(machine.Memory.Store(new GuestAddress(TestMachine.RamBase), Asm.Addi(Asm.A2, Asm.Zero, 2)).IsDone);
        machine.Hart.Pc = TestMachine.RamBase;
        machine.Hart.Run(10);

        Assert.Equal(2ul, machine.Hart[Asm.A2]);
    }
}
