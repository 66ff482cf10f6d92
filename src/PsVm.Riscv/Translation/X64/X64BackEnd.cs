using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using PsVm.Riscv.Decoding;
using PsVm.Riscv.Translation.Cache;
using PsVm.Riscv.Translation.Units;

namespace PsVm.Riscv.Translation.X64;

/// <summary>The back end for x86-64 Linux with the instructions that x86-64-v3 has.</summary>
/// <param name="memory">Where code goes.</param>
/// <param name="bufferBytes">Bytes that a unit may take.</param>
internal sealed unsafe class X64BackEnd(CodeMemory memory, long bufferBytes) : HostBackEnd
{
    private readonly TranslationBuffer _buffer = new(bufferBytes);
    private readonly Stubs _stubs = new(memory);
    private byte* _entry;

    /// <summary>Whether this host is one.</summary>
    public static bool IsSupportedHere =>
        OperatingSystem.IsLinux() && RuntimeInformation.ProcessArchitecture == Architecture.X64
        && Lzcnt.X64.IsSupported && Bmi1.X64.IsSupported && Bmi2.X64.IsSupported && Popcnt.X64.IsSupported && Fma.IsSupported;

    /// <inheritdoc/>
    public override int IntegerRegisters => RegisterMap.MoreHosts.Length;

    /// <inheritdoc/>
    public override delegate* unmanaged<HartState*, byte*, void> Enter => _stubs.Enter;

    /// <inheritdoc/>
    public override byte* NotTranslated => _stubs.NotTranslated;

    /// <inheritdoc/>
    public override IReadOnlyList<(int JumpEnd, int Target)> Jumps => _buffer.Jumps;

    /// <inheritdoc/>
    public override byte[] FloatFlags { get; } = [.. Enumerable.Range(0, 64).Select(ToFloatFlags)];

    /// <inheritdoc/>
    public override int Translate(Op* block)
    {
        _entry = _buffer.Start;
        return BlockTranslator.TranslateBlock(_stubs, block, _buffer);
    }

    /// <inheritdoc/>
    public override int Translate(LoopUnit loop, byte* single)
    {
        LoopCode code = new(loop);
        int length = BlockTranslator.TranslateLoop(_stubs, code, single, _buffer);
        _entry = code.Entry;
        return length;
    }

    /// <inheritdoc/>
    public override byte* Place(byte* place, int length)
    {
        _buffer.PlaceAt(place, length);
        return place + (_entry - _buffer.Start);
    }

    /// <inheritdoc/>
    public override void Redirect(byte* block, byte* loop) => BlockTranslator.Redirect(block, loop);

    /// <inheritdoc/>
    public override void Undo(byte* block, byte* loop) => BlockTranslator.Undo(block, loop);

    /// <inheritdoc/>
    /// <remarks>The jump's distance is aligned, so other harts see the old target or the new one.</remarks>
    public override void Bind(byte* jump, byte* target) => X64Assembler.Bind(jump, target);

    /// <inheritdoc/>
    public override void Dispose() => _buffer.Dispose();

    /// <summary>IE, ZE, OE, UE and PE of MXCSR as fflags, which has none for DE, denormal operands.</summary>
    private static byte ToFloatFlags(int host) =>
        (byte)((host & 1) << 4 | (host >> 2 & 1) << 3 | (host >> 3 & 1) << 2 | (host >> 4 & 1) << 1 | host >> 5);
}
