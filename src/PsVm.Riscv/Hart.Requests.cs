using PsVm.Riscv.Mmu;

namespace PsVm.Riscv;

/// <content>What others ask of a hart, of which it hears between blocks.</content>
public sealed unsafe partial class Hart
{
    private const uint ExitRequest = 1, InstructionFenceRequest = 2, AddressFenceRequest = 4, SampleRequest = 8;

    private readonly AddressFences _addressFences = new();
    private uint _requests;

    /// <summary>Makes a running, or the next, <see cref="Run"/> return soon. Safe from any thread.</summary>
    public void RequestExit() => Request(ExitRequest);

    /// <summary>A fence was asked for and the hart may still run what it knew before. Safe from any thread.</summary>
    public bool IsFencePending =>
        (Volatile.Read(ref _requests) & (InstructionFenceRequest | AddressFenceRequest)) != 0 && Volatile.Read(ref _running);

    /// <summary>Asks for FENCE.I on this hart before its next block. Safe from any thread.</summary>
    public void RequestInstructionFence() => Request(InstructionFenceRequest);

    /// <summary>Asks for a full SFENCE.VMA on this hart before its next block. Safe from any thread.</summary>
    public void RequestAddressFence() => RequestAddressFence(0, ulong.MaxValue, asid: null);

    /// <summary>Asks for SFENCE.VMA of a range of addresses on this hart before its next block. Safe from any thread.</summary>
    /// <param name="start">The first address.</param>
    /// <param name="size">Bytes; <see cref="ulong.MaxValue"/>: all addresses.</param>
    /// <param name="asid">The address space, of which pages that are global are not part; null: all.</param>
    public void RequestAddressFence(ulong start, ulong size, int? asid)
    {
        _addressFences.Add(new AddressFence(start, size, asid));
        Request(AddressFenceRequest);
    }

    /// <summary>Asks for a sample before the next block. Safe from any thread.</summary>
    internal void RequestSample() => Request(SampleRequest);

    private bool ServeRequests()
    {
        uint requests = Interlocked.Exchange(ref _requests, 0);
        if ((requests & SampleRequest) != 0)
        {
            Profile!.Sample();
        }

        if ((requests & (InstructionFenceRequest | AddressFenceRequest)) != 0)
        {
            using HartProfile.Scope scope = HartProfile.During(Profile, HartWork.RemoteFence);
            if ((requests & InstructionFenceRequest) != 0)
            {
                Blocks.Fence();
            }

            if ((requests & AddressFenceRequest) != 0)
            {
                _addressFences.Serve(Mmu);
            }
        }

        return (requests & ExitRequest) != 0;
    }

    private void Request(uint request)
    {
        Interlocked.Or(ref _requests, request);
        LeaveBlockLoop();
    }

    /// <summary>A racing store of the owner's may undo this, but the owner looks at requests and lines after that store.</summary>
    private void LeaveBlockLoop() => Volatile.Write(ref State->Limit, 0);
}
