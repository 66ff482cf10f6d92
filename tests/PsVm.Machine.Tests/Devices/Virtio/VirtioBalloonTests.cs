using System.Buffers.Binary;
using PsVm.Machine.Devices.Virtio;
using PsVm.Machine.Devices.Virtio.Balloon;
using PsVm.Machine.Tests.Support;

namespace PsVm.Machine.Tests.Devices.Virtio;

public sealed class VirtioBalloonTests : IDisposable
{
    private const uint FirstFrame = (uint)(VirtioSlot.RamStart >> 12), Rom = (uint)(VirtioSlot.RomStart >> 12);
    private const ulong Buffers = VirtioSlot.RamStart + 0x1_0000;
    private const ulong Statistics = 1 << 1, Poison = 1 << 4, Reporting = 1 << 5;
    private const ulong Usual = VirtioDriver.Version1 | Statistics | Reporting;
    private const uint Inflate = 0, Deflate = 1, Third = 2, Fourth = 3;

    private readonly VirtioSlot _slot;
    private readonly VirtioDriver _driver;
    private readonly NotedRam _ram = new();
    private VirtioBalloon? _made;
    private VirtioPort? _port;
    private ulong _nextRing = VirtioSlot.RamStart;
    private ulong _nextBuffer = Buffers;

    public VirtioBalloonTests()
    {
        _slot = new VirtioSlot(port => _made = new VirtioBalloon(_port = port, _ram));
        _driver = new VirtioDriver(_slot.Device, _slot.Ram);
    }

    private VirtioBalloon Balloon => _made!;

    public void Dispose() => _slot.Dispose();

    [Fact]
    public void Neighbours_of_a_buffer_are_given_back_in_one_go_in_whatever_order_they_come()
    {
        VirtioRing inflate = Start(Usual)[Inflate];

        Give(inflate, Inflate, 40, 37, 38, 39, 10, 38);

        Assert.Equal(["10+1", "37+4"], _ram.Discards);
        Assert.Equal((5, 5L * 4096), (Balloon.Pages, Balloon.Freed));
        Assert.Equal((0u, 0u), inflate.Take());
    }

    [Fact]
    public void Pages_that_are_taken_out_are_the_guests_again()
    {
        VirtioRing[] rings = Start(Usual);
        Give(rings[Inflate], Inflate, 10, 11, 12, 13);
        Give(rings[Inflate], Inflate, 12, 13, 14); // some of them twice

        Assert.Equal(5, Balloon.Pages);
        Give(rings[Deflate], Deflate, 12, 30, 11);

        Assert.Equal(3, Balloon.Pages);
        Assert.Equal(["10+4", "12+3"], _ram.Discards);
    }

    [Fact]
    public void What_is_no_writable_RAM_is_passed_over()
    {
        VirtioRing[] rings = Start(Usual);

        foreach (uint queue in (ReadOnlySpan<uint>)[Inflate, Deflate])
        {
            GiveFrames(
                rings[queue],
                queue,
                0,
                0x10000,
                FirstFrame - 1,
                FirstFrame + 255,
                Rom,
                Rom + 1,
                Rom + 16,
                uint.MaxValue - 1,
                uint.MaxValue);
        }

        Assert.Equal(["255+1"], _ram.Discards);
        Assert.Equal((0, 8), (Balloon.Pages, Balloon.Refused));
        Assert.Null(_slot.Device.Fault);
    }

    [Fact]
    public void No_more_numbers_of_a_buffer_count_than_drivers_give()
    {
        VirtioRing inflate = Start(Usual)[Inflate];

        GiveFrames(
            inflate,
            Inflate,
            [.. Enumerable.Range(0, 250).Select(_ => FirstFrame), .. Enumerable.Range(100, 50).Select(page => FirstFrame + (uint)page)]);

        Assert.Equal(["0+1", "100+6"], _ram.Discards);
    }

    [Fact]
    public void What_is_looked_at_of_large_host_pages_is_work_that_a_buffer_has_cost()
    {
        const int pages = 1 << 18; // of 1 GiB
        using VirtioBalloon balloon = new(_port!, new NotedRam { Ram = pages, HostPage = pages });
        for (int next = 0; next < pages - 1; next += VirtioBalloon.MostNumbers)
        {
            Cost(Enumerable.Range(next, Math.Min(VirtioBalloon.MostNumbers, pages - 1 - next)));
        }

        // Of pages that are apart each is one of the host page, which lacks its last.
        Assert.Equal(pages - 1, balloon.Pages);
        long cost = Cost(Enumerable.Range(0, VirtioBalloon.MostNumbers).Select(number => 2 * number));
        Assert.InRange(cost, VirtioMmio.MostBytes, long.MaxValue);

        long Cost(IEnumerable<int> numbers)
        {
            byte[] bytes = [.. numbers.SelectMany(number => BitConverter.GetBytes(FirstFrame + (uint)number))];
            _slot.Ram.Write(Buffers, bytes);
            VirtioChain chain = new(_slot.Ram.Memory.Physical, new VirtioQueue(_slot.Ram.Memory.Physical, 128), 0);
            chain.Add(new(Buffers), (uint)bytes.Length, writable: false);
            balloon.Handle((int)Inflate, chain);
            return chain.Moved;
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    [InlineData(7)]
    public void A_part_of_a_number_is_none(int length)
    {
        VirtioRing inflate = Start(Usual)[Inflate];
        _slot.Ram.Write(Buffers, BitConverter.GetBytes(FirstFrame + 9ul));

        inflate.Publish(inflate.Chain((Buffers, length, false)));
        _driver.Notify(Inflate);

        Assert.Equal(length / 4, _ram.Discards.Count);
        Assert.Equal((0u, 0u), inflate.Take());
    }

    [Fact]
    public void A_host_page_is_given_back_once_all_its_pages_are_in()
    {
        _ram.HostPage = 16;
        VirtioRing[] rings = Start(Usual);

        Give(rings[Inflate], Inflate, [.. Enumerable.Range(16, 15).Select(page => (uint)page)]);
        Assert.Empty(_ram.Discards);
        Give(rings[Inflate], Inflate, [.. Enumerable.Range(31, 30).Select(page => (uint)page)]);
        Assert.Equal(["16+32"], _ram.Discards);
        Give(rings[Deflate], Deflate, 20);
        Give(rings[Inflate], Inflate, 21, 61, 62, 63);

        Assert.Equal(["16+32", "48+16"], _ram.Discards);
    }

    [Theory]
    [InlineData(1, "65+30 128+2")]
    [InlineData(2, "66+28 128+2")]
    [InlineData(16, "")]
    public void Reported_ranges_are_given_back_as_whole_host_pages(int hostPage, string discards)
    {
        _ram.HostPage = hostPage;
        VirtioRing report = Start(Usual)[Fourth];
        ulong start = VirtioSlot.RamStart;

        report.Publish(report.Chain((start + 0x4_0800, 0x1_ee00, true), (start + (128 << 12), 2 << 12, true)));
        _driver.Notify(Fourth);

        Assert.Equal(discards.Split(' ', StringSplitOptions.RemoveEmptyEntries), _ram.Discards);
        Assert.Equal((0u, 0u), report.Take());
        Assert.Equal(0, Balloon.Pages);
    }

    [Fact]
    public void The_queue_of_reports_is_the_third_where_there_are_no_statistics()
    {
        VirtioRing report = Start(VirtioDriver.Version1 | Reporting)[Third];

        report.Publish(report.Chain((VirtioSlot.RamStart + (64 << 12), 16 << 12, true)));
        _driver.Notify(Third);

        Assert.Equal(["64+16"], _ram.Discards);
    }

    [Theory]
    [InlineData(0u, true, false)]
    [InlineData(0xaaaa_aaaau, false, false)]
    [InlineData(0u, false, true)]
    public void What_is_reported_stays_where_it_would_not_hold_what_its_driver_relies_on(uint poison, bool isGivenBack, bool keepsReported)
    {
        _ram.KeepsReported = keepsReported;
        VirtioRing[] rings = Start(Usual | Poison);
        _slot.Device.Write(0x100 + 12, poison);

        rings[Fourth].Publish(rings[Fourth].Chain((VirtioSlot.RamStart + (64 << 12), 16 << 12, true)));
        _driver.Notify(Fourth);
        Give(rings[Inflate], Inflate, 3);

        Assert.Equal(isGivenBack ? ["64+16", "3+1"] : ["3+1"], _ram.Discards);
        Assert.NotNull(rings[Fourth].Take());
    }

    [Fact]
    public void A_report_of_what_is_no_RAM_stops_the_device_and_nothing_else()
    {
        VirtioRing report = Start(Usual)[Fourth];

        report.Publish(report.Chain((VirtioSlot.RomStart, 0x1000, true)));
        _driver.Notify(Fourth);

        Assert.NotEqual(0ul, _driver.Status & VirtioDriver.NeedsReset);
        Assert.Empty(_ram.Discards);
        Give(Start(Usual)[Inflate], Inflate, 3);
        Assert.Equal(["3+1"], _ram.Discards);
    }

    [Fact]
    public void While_the_memory_is_copied_inflation_waits_and_reports_are_passed_over()
    {
        VirtioRing[] rings = Start(Usual);
        _ram.Outcome = BalloonOutcome.Later;

        Give(rings[Inflate], Inflate, 3, 4);
        Give(rings[Deflate], Deflate, 9);
        rings[Fourth].Publish(rings[Fourth].Chain((VirtioSlot.RamStart + (64 << 12), 16 << 12, true)));
        _driver.Notify(Fourth);

        // Inflation is tried again and again, on a thread that may be about to serve these, too.
        rings[Deflate].WaitTaken();
        rings[Fourth].WaitTaken();
        Assert.Null(rings[Inflate].Take());
        Assert.Equal(0, Balloon.Freed);
        _ram.Outcome = BalloonOutcome.Done;
        Assert.Equal((0u, 0u), rings[Inflate].WaitTaken());
        Assert.Equal((2, 2L * 4096), (Balloon.Pages, Balloon.Freed));
    }

    [Fact]
    public void A_clone_has_what_was_in_the_balloon_and_what_waited_for_it()
    {
        VirtioRing[] rings = Start(Usual);
        Give(rings[Inflate], Inflate, 3, 4, 5, 100);
        Balloon.Want(77);
        _slot.Device.Write(0x104, 4);
        _ram.Outcome = BalloonOutcome.Later;
        Give(rings[Inflate], Inflate, 200);
        _slot.Device.Pause();
        _slot.Device.Drain(CancellationToken.None);
        byte[] state = _slot.Save();
        using VirtioBalloonTests clone = new();
        clone._slot.Device.Pause();
        clone._slot.Ram.Write(VirtioSlot.RamStart, _slot.Ram.Read(VirtioSlot.RamStart, 0x2_0000));

        clone._slot.Restore(state);
        Assert.Equal(state, clone._slot.Save());
        clone._slot.Device.Resume();

        Assert.True(SpinWait.SpinUntil(() => clone._ram.Discards.Count == 1, TimeSpan.FromSeconds(30)));
        Assert.Equal(["200+1"], clone._ram.Discards);
        Assert.Equal((5, 77u, true), (clone.Balloon.Pages, clone.Balloon.Wanted, clone.Balloon.HasDriver));
        Assert.Equal((77ul, 4ul), (clone._slot.Device.Read(0x100), clone._slot.Device.Read(0x104)));
    }

    [Theory]
    [InlineData(0, -1, 1)]
    [InlineData(0, 3, 0)]
    [InlineData(0, 3, -4)]
    [InlineData(0, 272, 1)]
    [InlineData(0, 0, 273)]
    [InlineData(0, 1, long.MaxValue)]
    [InlineData(5, 4, 1)]
    public void A_state_with_pages_that_there_are_not_is_refused(long before, long first, long count)
    {
        byte[] state = _slot.Save();
        List<byte> pages = [.. BitConverter.GetBytes(before == 0 ? 1u : 2u)];
        if (before != 0)
        {
            pages.AddRange([.. BitConverter.GetBytes(0L), .. BitConverter.GetBytes(before)]);
        }

        pages.AddRange([.. BitConverter.GetBytes(first), .. BitConverter.GetBytes(count)]);

        Assert.Throws<InvalidDataException>(() => _slot.Restore([.. state[..^4], .. pages]));
    }

    [Fact]
    public void A_driver_that_resets_it_has_all_its_pages()
    {
        VirtioRing[] rings = Start(Usual);
        Give(rings[Inflate], Inflate, 3, 4);
        Balloon.Want(9);

        _slot.Device.Write(VirtioDriver.StatusRegister, 0);

        Assert.Equal((0, false, 9u), (Balloon.Pages, Balloon.HasDriver, Balloon.Wanted));
        Assert.Equal(0ul, _slot.Device.Read(0x104));
    }

    [Fact]
    public void What_is_wanted_is_told_by_the_configuration_and_an_interrupt()
    {
        Start(Usual);

        Balloon.Want(0x1234);

        Assert.Equal(2ul, _driver.Interrupts);
        Assert.Equal(0x1234ul, _slot.Device.Read(0x100));
        _slot.Device.Write(0x100, 5);
        _slot.Device.Write(0x108, 5);
        Assert.Equal((0x1234ul, 0ul), (_slot.Device.Read(0x100), _slot.Device.Read(0x108)));
    }

    [Fact]
    public void Statistics_stay_in_their_queue_until_they_are_asked_for_anew()
    {
        VirtioRing statistics = Start(Usual)[Third];
        Tell(statistics, (4, 1000), (6, 2000), (999, 1), (6, 3000), (5, ulong.MaxValue));
        BalloonStatistics told = Balloon.Statistics!;
        Assert.Equal(
            (1000L, 3000L, (long?)null), (told.Get(BalloonTag.Free), told.Get(BalloonTag.Available, 5000), told.Get(BalloonTag.Total)));
        Assert.Null(told.Get(BalloonTag.Available, 2999));
        Assert.Null(told.Get(BalloonTag.Caches));
        Assert.Null(statistics.Take());

        Balloon.AskForStatistics();
        Assert.Equal((0u, 0u), statistics.WaitTaken());
        Assert.Same(told, Balloon.Statistics); // what the buffer holds was said before
        Tell(statistics, (4, 7));

        Assert.Equal(7, Balloon.Statistics!.Get(BalloonTag.Free));
        Assert.Null(Balloon.Statistics.Get(BalloonTag.Available));
        Assert.Null(statistics.Take());
        Tell(statistics, (4, 8)); // unasked
        Assert.Equal(7, Balloon.Statistics!.Get(BalloonTag.Free));
    }

    [Fact]
    public void A_flood_is_served_in_pieces()
    {
        VirtioRing inflate = Start(Usual)[Inflate];
        uint[] scattered = [.. Enumerable.Range(0, 128).Select(page => FirstFrame + ((uint)page * 2))];
        for (int i = 0; i < 64; i++)
        {
            Publish(inflate, scattered);
        }

        _driver.Notify(Inflate);

        Assert.Equal(128, _ram.DiscardsOf(Environment.CurrentManagedThreadId));
        for (int i = 0; i < 64; i++)
        {
            inflate.WaitTaken();
        }

        Assert.Equal(64 * 128, _ram.Discards.Count);
        Assert.Equal(128, Balloon.Pages);
    }

    private VirtioRing[] Start(ulong features)
    {
        Assert.True(_driver.Agree(features));
        _nextRing = VirtioSlot.RamStart;
        VirtioRing[] rings = [.. Enumerable.Range(0, 4).Select(queue => AddQueue((uint)queue))];
        _driver.Go();
        return rings;
    }

    private VirtioRing AddQueue(uint queue)
    {
        VirtioRing ring = _driver.AddQueue(queue, 128, _nextRing);
        ring.Clear();
        _nextRing += 0x2000;
        return ring;
    }

    private void Give(VirtioRing ring, uint queue, params uint[] pages) =>
        GiveFrames(ring, queue, [.. pages.Select(page => FirstFrame + page)]);

    private void GiveFrames(VirtioRing ring, uint queue, params uint[] frames)
    {
        Publish(ring, frames);
        _driver.Notify(queue);
    }

    private void Publish(VirtioRing ring, uint[] frames)
    {
        byte[] bytes = [.. frames.SelectMany(BitConverter.GetBytes)];
        ulong at = _nextBuffer;
        _nextBuffer += (ulong)bytes.Length;
        _slot.Ram.Write(at, bytes);
        ring.Publish(ring.Chain((at, bytes.Length, false)));
    }

    private void Tell(VirtioRing ring, params (ushort Tag, ulong Value)[] values)
    {
        byte[] bytes = new byte[values.Length * 10];
        for (int i = 0; i < values.Length; i++)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(i * 10), values[i].Tag);
            BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan((i * 10) + 2), values[i].Value);
        }

        _slot.Ram.Write(Buffers, bytes);
        ring.Publish(ring.Chain((Buffers, bytes.Length, false)));
        _driver.Notify(Third);
    }

    /// <summary>RAM that notes what is given back of it: 256 pages, and 16 of ROM.</summary>
    private sealed class NotedRam : IBalloonRam
    {
        private const long Rom = 16;

        private readonly Lock _gate = new();
        private readonly List<string> _discards = [];
        private readonly Dictionary<int, int> _threads = [];

        public long Ram { get; init; } = 256;

        public long HostPage { get; set; } = 1;

        public bool KeepsReported { get; set; }

        public BalloonOutcome Outcome { get; set; }

        public ulong FirstFrame => VirtioBalloonTests.FirstFrame;

        public long PageCount => Ram + Rom;

        public IReadOnlyList<string> Discards
        {
            get
            {
                lock (_gate)
                {
                    return [.. _discards];
                }
            }
        }

        public int DiscardsOf(int thread)
        {
            lock (_gate)
            {
                return _threads.GetValueOrDefault(thread);
            }
        }

        public IEnumerable<BalloonStretch> Writable(long first, long count)
        {
            Assert.InRange(first, 0, PageCount - 1);
            Assert.InRange(count, 1, PageCount - first);
            long end = Math.Min(first + count, Ram);
            return first < end ? [new BalloonStretch(first, end - first, 0, HostPage, KeepsReported)] : [];
        }

        public BalloonOutcome Discard(long first, long count, out long freed)
        {
            Assert.Equal(0, (first | count) % HostPage);
            freed = Outcome == BalloonOutcome.Done ? count * 4096 : 0;
            lock (_gate)
            {
                if (Outcome == BalloonOutcome.Done)
                {
                    _discards.Add($"{first}+{count}");
                    _threads[Environment.CurrentManagedThreadId] = _threads.GetValueOrDefault(Environment.CurrentManagedThreadId) + 1;
                }
            }

            return Outcome;
        }
    }
}
