using PsVm.Machine.Board;
using PsVm.Machine.Guests;
using PsVm.Machine.Tests.Support;
using PsVm.Memory;
using PsVm.Riscv.Tests;

namespace PsVm.Machine.Tests.Guests;

/// <summary>An operator discards pages that a hart has decoded.</summary>
public sealed class DiscardedCodeTests : GuestHostTest
{
    private const int Handler = 4096, Loop = 8192;

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    [Fact]
    public void A_hart_does_not_go_on_in_code_that_was_discarded()
    {
        // Spins in a page of its own; a page of zeros is illegal instructions, for which there is a handler in another page.
        GuestProgram program = new();
        program.Load(Asm.T0, BootFile.KernelStart + Handler).Emit(Asm.Csrrw(Asm.Zero, 0x105, Asm.T0)).Print('s');
        program.Load(Asm.T0, BootFile.KernelStart + Loop).Emit(Asm.Jalr(Asm.Zero, Asm.T0, 0));
        PadTo(program, Handler);
        program.Print('h').PowerOff();
        PadTo(program, Loop);
        program.Jump(program.Here);
        string path = Path.Combine(Folder, "kernel");
        File.WriteAllBytes(path, program.ToKernel());
        MemoryBackend ram = Backends.Create(new MemoryBackendOptions { Id = "ram", Size = 4 << 20 });
        Host.Start(new GuestOptions { Name = "g", Kernel = path, BackendIds = ["ram"] }, CancellationToken.None);
        Assert.True(Host.WaitForText("g", "s", Patience, CancellationToken.None));
        long before = Host.Get("g").Instructions;
        Assert.True(SpinWait.SpinUntil(() => Host.Get("g").Instructions > before + 1_000_000, Patience));

        ram.Discard((long)(BootFile.KernelStart + Loop - MemoryMap.RamStart), 4096);

        Assert.True(Host.WaitForText("g", "h", TimeSpan.FromSeconds(30), CancellationToken.None), "it spins on in code that is gone");
    }

    private static void PadTo(GuestProgram program, int offset) =>
        program.PadTo((int)(BootFile.KernelStart + (ulong)offset - program.Address) / 4 + program.Here);
}
