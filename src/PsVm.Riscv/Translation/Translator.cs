using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using PsVm.Riscv.Decoding;
using PsVm.Riscv.Interpreter;

namespace PsVm.Riscv.Translation;

/// <summary>The second tier of one hart: translates blocks that are hot, and runs them.</summary>
internal sealed unsafe class Translator(BlockCache blocks, TranslatorOptions options) : IDisposable
{
    private readonly List<BlockTranslator.Late> _late = [];
    private CodeMemory? _memory;
    private Stubs? _stubs;

    /// <summary>Whether this host can run translated code.</summary>
    public static bool IsSupported =>
        OperatingSystem.IsLinux() && RuntimeInformation.ProcessArchitecture == Architecture.X64 && Lzcnt.X64.IsSupported && Bmi1.X64.IsSupported
        && Popcnt.X64.IsSupported;

    /// <summary>How often a block runs before it is translated.</summary>
    public int Threshold => options.Threshold;

    /// <summary>Blocks translated.</summary>
    public long Translated { get; private set; }

    /// <summary>Where a jump goes whose target has no translation; null while nothing is translated.</summary>
    public byte* NotTranslated => _stubs is null ? null : _stubs.NotTranslated;

    /// <summary>Translates a block; false: it is left to the interpreter.</summary>
    public bool Translate(Op* ops, BlockHeader* header)
    {
        if (_stubs is null)
        {
            // A hart that only waits needs no memory for code.
            _memory = new CodeMemory((nuint)options.CodeBytes);
            _stubs = new Stubs(_memory);
            blocks.ForgetJumps();
        }

        if (_memory!.Used + BlockTranslator.MaxBytes > _memory.Size)
        {
            blocks.Clear();
            _memory.Reset(_stubs.Length);
            return false;
        }

        int length = BlockTranslator.Translate(_stubs, ops, _memory.Next, _late);
        if (length == 0)
        {
            return false;
        }

        header->Code = _memory.Executable(_memory.Next);
        _memory.Keep((nuint)length);
        Translated++;
        return true;
    }

    /// <summary>Runs translated code until it leaves; pc and the count of retired instructions are right then.</summary>
    public void Run(HartState* state, byte* code, ulong pc)
    {
        if (state->ChainFrom != 0)
        {
            X64Assembler.Bind(_memory!.Writable((byte*)state->ChainFrom), _memory.Writable(code));
            state->ChainFrom = 0;
        }

        _stubs!.Enter(state, code, pc & ~(PhysicalMemory.PageSize - 1));
    }

    public void Dispose() => _memory?.Dispose();
}
