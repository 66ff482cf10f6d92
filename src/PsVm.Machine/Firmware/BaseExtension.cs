using PsVm.Riscv;

namespace PsVm.Machine.Firmware;

/// <summary>What there is (chapter "Base Extension").</summary>
/// <param name="isThere">Whether an extension has a number.</param>
internal sealed class BaseExtension(Func<ulong, bool> isThere) : ISbiExtension
{
    // Version 3.0: what of it is optional, and not there, is told by probing.
    private const ulong SpecificationVersion = 3u << 24;
    private const ulong ImplementationId = 0x5073_566d; // "PsVm": no number of the specification's list
    private const ulong ImplementationVersion = 2;

    public IReadOnlyList<ulong> Ids => [0x10];

    public SbiResult Call(Hart hart, ulong id, ulong function)
    {
        return function switch
        {
            0 => SbiResult.Success(SpecificationVersion),
            1 => SbiResult.Success(ImplementationId),
            2 => SbiResult.Success(ImplementationVersion),
            3 => SbiResult.Success(isThere(hart[10]) ? 1u : 0),
            4 => SbiResult.Success(Read(SbiCsr.MachineVendorId)),
            5 => SbiResult.Success(Read(SbiCsr.MachineArchitectureId)),
            6 => SbiResult.Success(Read(SbiCsr.MachineImplementationId)),
            _ => SbiError.NotSupported,
        };

        ulong Read(int csr) => hart.TryReadCsr(csr, out ulong value) ? value : 0;
    }
}
