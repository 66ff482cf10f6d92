using PsVm.Machine.Board;
using PsVm.Machine.Guests;
using PsVm.Machine.Tests.Support;
using PsVm.Memory;
using PsVm.Riscv.Tests;

namespace PsVm.Machine.Tests.Guests;

/// <summary>What a guest asks for costs the host a bounded time, and never its life.</summary>
public sealed class BoundedRequestTests : GuestHostTest
{
    private const ulong DebugConsole = 0x4442434e, Fence = 0x5246_4e43, HartState = 0x48534d;

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    [Fact]
    public void A_console_read_into_a_read_only_backend_harms_nobody()
    {
        string rom = Path.Combine(Folder, "rom");
        File.WriteAllBytes(rom, new byte[1 << 20]);
        Backends.Create(new MemoryBackendOptions { Id = "ram", Size = 4 << 20 });
        Backends.Create(new MemoryBackendOptions { Id = "rom", Path = rom, Size = 1 << 20, ReadOnly = true });

        // a0 is the error: -3 is printed as its low byte plus 'a' + 3.
        GuestProgram program = new GuestProgram().Print('r');
        int loop = program.Here;
        program.Call(DebugConsole, 1, 1, MemoryMap.RamStart + (4 << 20), 0).Emit(Asm.Addi(Asm.A0, Asm.A0, 'a' + 3))
            .CallWithRegisters(DebugConsole, 2).Jump(loop);
        Start("g", program, backends: ["ram", "rom"]);
        Assert.True(Host.WaitForText("g", "r", Patience, CancellationToken.None));
        Host.WriteConsole("g", "x");

        long here = Host.ReadConsole("g", 0).NextPosition;
        Assert.True(SpinWait.SpinUntil(() => Host.ReadConsole("g", here).Text.Length > 100, Patience));
        Assert.Equal(GuestState.Running, Host.Get("g").State);
        Assert.Matches("^a+$", Host.ReadConsole("g", here).Text);
        Assert.All(File.ReadAllBytes(rom), value => Assert.Equal(0, value));
    }

    [Fact]
    public void One_print_of_all_RAM_does_not_keep_the_operator_waiting()
    {
        const ulong memory = 512 << 20;
        Start(
            "g",
            new GuestProgram().Print('s').Call(DebugConsole, 0, memory, MemoryMap.RamStart, 0).Print('e').Jump(0),
            memory: (long)memory);
        Assert.True(Host.WaitForText("g", "s", Patience, CancellationToken.None));

        AssertIsNotPrintedToItsEnd("g", memory, () => Host.Suspend("g"));
        Host.Resume("g");
        AssertIsNotPrintedToItsEnd("g", memory, () => Host.Stop("g"));
    }

    [Fact]
    public void As_many_guests_as_CPUs_that_print_all_day_leave_time_for_another()
    {
        const ulong memory = 512 << 20;
        GuestProgram flood = new GuestProgram().Print('s');
        int loop = flood.Here;
        flood.Call(DebugConsole, 0, memory, MemoryMap.RamStart, 0).Jump(loop);
        for (int guest = 0; guest < Environment.ProcessorCount; guest++)
        {
            Start($"flood{guest}", flood, memory: (long)memory);
        }

        GuestProgram honest = new();
        loop = honest.Here;
        Start("honest", honest.Print('h').Jump(loop));

        long begin = Host.ReadConsole("honest", 0).NextPosition;
        Assert.True(SpinWait.SpinUntil(() => Host.ReadConsole("honest", 0).NextPosition > begin + 1000, Patience));
        AssertEnds(() => Host.Stop("honest"));
        AssertIsNotPrintedToItsEnd("flood0", memory, () => Host.Stop("flood0"));
    }

    [Fact]
    public void Harts_that_fence_each_other_all_day_stop_when_they_are_told()
    {
        GuestProgram program = new();
        program.Call(HartState, 0, 1, BootFile.KernelStart, 0).Call(HartState, 0, 2, BootFile.KernelStart, 0).Print('s');
        int loop = program.Here;
        program.Call(Fence, 1, 0, ulong.MaxValue).Call(Fence, 0, 0, ulong.MaxValue).Jump(loop);
        Start("g", program, harts: 3);
        Assert.True(Host.WaitForText("g", "sss", Patience, CancellationToken.None));

        AssertEnds(() => Host.Suspend("g"));
        Host.Resume("g");
        AssertEnds(() => Host.Stop("g"));
    }

    /// <summary>Who waited for the end of a request of the guest's would see all of it printed, however fast the host is.</summary>
    private void AssertIsNotPrintedToItsEnd(string guest, ulong request, Action act)
    {
        long before = Host.ReadConsole(guest, 0).NextPosition;
        AssertEnds(act);
        Assert.InRange((ulong)(Host.ReadConsole(guest, 0).NextPosition - before), 0ul, request / 2);
    }

    // That it is not for ever, on a host however busy.
    private static void AssertEnds(Action act) => Assert.True(Task.Run(act).Wait(Patience), "it waits for the guest");

    private void Start(string name, GuestProgram program, long memory = 4 << 20, int harts = 1, params string[] backends)
    {
        string path = Path.Combine(Folder, name);
        File.WriteAllBytes(path, program.ToKernel());
        Host.Start(
            new GuestOptions
            {
                Name = name,
                Kernel = path,
                Memory = backends.Length == 0 ? memory : 0,
                Harts = harts,
                BackendIds = [.. backends.Select(id => (BackendReference)id)],
            },
            CancellationToken.None);
    }
}
