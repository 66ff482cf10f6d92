using System.Buffers.Binary;

namespace PsVm.Riscv.Tests;

/// <summary>Writes instructions one after the other, with labels that may come later.</summary>
internal sealed class ProgramWriter(byte[] code)
{
    private readonly List<int> _labels = [];
    private readonly List<Reference> _references = [];

    /// <summary>Offset of the next instruction.</summary>
    public int At { get; set; }

    public int NewLabel()
    {
        _labels.Add(-1);
        return _labels.Count - 1;
    }

    /// <summary>The label stands for the next instruction.</summary>
    public void Mark(int label) => _labels[label] = At;

    public int MarkNew()
    {
        _labels.Add(At);
        return _labels.Count - 1;
    }

    /// <summary>Writes an instruction of 2 or 4 bytes.</summary>
    public void Emit(uint bits)
    {
        BinaryPrimitives.WriteUInt16LittleEndian(code.AsSpan(At), (ushort)bits);
        if ((bits & 3) == 3)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(code.AsSpan(At + 2), (ushort)(bits >> 16));
            At += 2;
        }

        At += 2;
    }

    public void Emit(params ReadOnlySpan<uint> instructions)
    {
        foreach (uint instruction in instructions)
        {
            Emit(instruction);
        }
    }

    /// <summary>Writes a branch, jump or store whose offset, relative to a place, is a label's.</summary>
    public void Emit(uint bits, int label, int from)
    {
        Refer(label, from);
        Emit(bits);
    }

    /// <summary>The instruction here, which is written already or will be, has a label's offset from a place.</summary>
    public void Refer(int label, int from) => _references.Add(new Reference(At, label, from));

    public void Branch(int funct3, int rs1, int rs2, int label) => Emit(Asm.Branch(funct3, rs1, rs2, 0), label, At);

    public void Jump(int rd, int label) => Emit(Asm.Jal(rd, 0), label, At);

    /// <summary>Puts all offsets in.</summary>
    public void Finish()
    {
        foreach (Reference reference in _references)
        {
            int offset = _labels[reference.Label] - reference.From;
            Span<byte> at = code.AsSpan(reference.At);
            uint bits = BinaryPrimitives.ReadUInt32LittleEndian(at);
            (uint field, int reach) = (bits & 0x7f) switch
            {
                0x63 => (Asm.Branch(0, 0, 0, offset), 4096),
                0x6f => (Asm.Jal(0, offset), 1 << 20),
                0x67 => (Asm.Jalr(0, 0, offset), 2048),
                _ => (Asm.Store(0, 0, 0, offset), 2048),
            };
            if (offset < -reach || offset >= reach)
            {
                throw new InvalidOperationException($"the program is too long: offset {offset} at {reference.At}");
            }

            BinaryPrimitives.WriteUInt32LittleEndian(at, bits | field);
        }

        _labels.Clear();
        _references.Clear();
    }

    /// <summary>How far a label, which is marked, is from a place.</summary>
    public int Distance(int label, int from) => _labels[label] - from;

    private readonly record struct Reference(int At, int Label, int From);
}
