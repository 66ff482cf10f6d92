using PsVm.Machine.Board;
using PsVm.Machine.Devices;
using PsVm.Machine.Firmware;
using PsVm.Machine.Guests;
using PsVm.Machine.Templates;
using PsVm.Memory;
using PsVm.Memory.Options;
using PsVm.Riscv;
using PsVm.Riscv.Memory;

namespace PsVm.Machine.Tests.Templates;

/// <summary>Clones that know from the start where code of their template is, unless somebody may have changed their RAM before.</summary>
public sealed class InitialCodeTests : TemplateTest
{
    private const int Pages = (int)(Memory / 4096);

    private readonly CodeCache _code = new(TranslatorOptions.Off);

    [Fact]
    public void What_a_clone_has_run_and_not_written_later_ones_begin_with()
    {
        TemplateSource source = Use();

        Assert.InRange(WithClone(source, (_, board) => CodePages(board)), 1, Pages);
    }

    [Fact]
    public void What_a_clone_has_written_none_begins_with()
    {
        var source = TemplateSource.Open(MakeTemplate("t").Path);
        WithClone(source, (ram, board) =>
        {
            var same = new byte[1];
            for (int page = 0; page < Pages; page++)
            {
                GuestAddress address = new(MemoryMap.RamStart + ((ulong)page << 12));
                Assert.True(ram.Memory.Physical.Read(address, same).IsDone && ram.Memory.Physical.Write(address, same).IsDone);
            }

            for (int slice = 0; slice < 100; slice++)
            {
                board.Harts[0].Run(10_000);
            }

            return CodePages(board);
        });

        Assert.Equal(0, WithClone(source, (_, board) => CodePages(board)));
    }

    [Fact]
    public void A_clone_of_which_something_was_discarded_before_begins_with_nothing()
    {
        TemplateSource source = Use();

        Assert.Equal(0, WithClone(source, (_, board) => CodePages(board), ram => ram.Backends[0].Discard(0, 4096)));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void What_is_discarded_before_anybody_tells_of_it_is_compared_before_it_runs(bool discards)
    {
        TemplateSource source = Use();

        bool isCompared = WithClone(source, (ram, board) =>
        {
            if (discards)
            {
                ram.Backends[0].Discard(0, 4096);
            }

            ram.TellOfDiscards();
            board.Harts[0].Run(1);
            return !board.Harts[0].Blocks.TrustsFamily;
        });
        Assert.Equal(discards, isCompared);
    }

    public override void Dispose()
    {
        _code.Dispose();
        base.Dispose();
    }

    private static int CodePages(GuestBoard board) => Enumerable.Range(0, Pages).Count(page => board.Harts[0].Blocks.HasCode(page));

    /// <summary>Has a clone answer.</summary>
    private TemplateSource Use()
    {
        var source = TemplateSource.Open(MakeTemplate("t").Path);
        int pages = WithClone(source, (_, board) =>
        {
            for (int slice = 0; slice < 100; slice++)
            {
                board.Harts[0].Run(10_000);
            }

            return CodePages(board);
        });
        Assert.NotEqual(0, pages);
        return source;
    }

    private T WithClone<T>(TemplateSource source, Func<GuestRam, GuestBoard, T> use, Action<GuestRam>? before = null)
    {
        GuestOptions options = new() { Name = "clone", MachineType = MachineTypes.Resolve("virt") };
        GuestConsole console = new();
        using GuestRam ram = TemplateRam.Map(Backends, options, source, default);
        using CodeCache part = _code.OpenPart(LiveGuest.FamilyOf(source.Template));
        using GuestBoard board = new(
            MachineType.Get(options.MachineType!), ram.Memory, 1, Sbi.For(ram.Memory, console, (_, _) => { }),
            part, console, (_, _) => { });
        before?.Invoke(ram);
        ram.BeginWithFamily(board.Harts[0]);
        source.State.Restore(board, source.Template.Devices);
        console.TryType("check\r");
        return use(ram, board);
    }
}
