using System.Globalization;
using Iced.Intel;
using PsVm.Riscv.Translation.Cache;
using PsVm.Riscv.Translation.Units;
using PsVm.Riscv.Translation.X64;
using Decoder = Iced.Intel.Decoder;
using Op = PsVm.Riscv.Decoding.Op;
using OpCode = PsVm.Riscv.Decoding.OpCode;

namespace PsVm.Benchmarks;

/// <summary>
/// Writes every translation that is made to a file: the guest's operations, with the groups of accesses that are checked as one, the
/// values of the runs of loops, and the host's instructions that they became.
/// </summary>
/// <param name="path">The file; one that is there is replaced.</param>
internal sealed unsafe class CodeDump(string path) : IDisposable
{
    private readonly StreamWriter _out = new(path);
    private readonly NasmFormatter _formatter = new(new FormatterOptions { SpaceAfterOperandSeparator = true });

    /// <summary>Writes one.</summary>
    public void Write(TranslatedCode code)
    {
        Op* first = (Op*)(code.Block + 1);
        string kind = code.Loop is null ? "block" : "loop";
        _out.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{kind} page 0x{code.Page:x} offset 0x{first->Offset:x} code 0x{(nint)code.Code:x} {code.Length} bytes"));
        if (code.Loop is not { } loop)
        {
            WriteGuest(first, &BlockTranslator.CallsInterpreter);
        }
        else
        {
            RegisterMap map = RegisterMap.For(loop);
            _out.WriteLine($"  integers in host registers: {string.Join(' ', map.Integers.Select(r => $"x{r}={map.Integer(r)}"))}");
            _out.WriteLine($"  floats in host registers: {string.Join(' ', map.Floats.Select(r => $"f{r}=xmm{map.Float(r)}"))}");
            foreach (LoopBlock block in loop.Blocks)
            {
                WriteGuest(block.Ops, loop.UsesFloats ? &BlockTranslator.CallsInterpreter : &BlockTranslator.EndsRun);
                foreach (ValueRun run in BlockTranslator.RunsOf(loop, block))
                {
                    WriteValues(run);
                }
            }
        }

        byte[] host = new ReadOnlySpan<byte>(code.Code, code.Length).ToArray();
        var decoder = Decoder.Create(64, new ByteArrayCodeReader(host), (ulong)code.Code);
        StringOutput text = new();
        while (decoder.IP < (ulong)(code.Code + code.Length))
        {
            Instruction instruction = decoder.Decode();
            _formatter.Format(instruction, text);
            _out.WriteLine($"    {instruction.IP:x12}  {text.ToStringAndReset()}");
        }
    }

    public void Dispose() => _out.Dispose();

    private void WriteValues(ValueRun run)
    {
        foreach (Value value in run.Values.Where(value => value.IsNeeded && value.Kind != ValueKind.Constant))
        {
            _out.WriteLine($"    {value}{(value.NeedsAll || !value.IsWord || value.Kind == ValueKind.Input ? string.Empty : "  (word)")}");
        }

        IEnumerable<string> last = Enumerable.Range(1, 31)
            .Where(register => run.Visible[register] is { } value && value != run.Input(register))
            .Select(register => $"x{register}={run.Visible[register]!.Name}");
        _out.WriteLine($"    {string.Join(' ', last)}");
    }

    private void WriteGuest(Op* op, delegate*<Op*, bool> ends)
    {
        AccessGroups? groups = AccessGroups.Of(op, ends);
        for (int index = 0; ; index++, op++)
        {
            string group = groups?[index] is { } of ? $"  group {of.First} of {of.Bytes} bytes, at {groups.OffsetOf(index)}" : string.Empty;
            _out.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"  {op->Offset:x3}  {op->Code.ToString().ToLowerInvariant()} rd={op->Rd} rs1={op->Rs1} rs2={op->Rs2} "
                    + $"imm={op->Immediate}{group}"));
            if (PsVm.Riscv.Decoding.Decoder.IsLast(op->Code))
            {
                return;
            }
        }
    }
}
