using System.Numerics;
using System.Runtime.CompilerServices;
using PsVm.Riscv.Decoding;
using PsVm.Riscv.Memory;
using PsVm.Riscv.Mmu;

namespace PsVm.Riscv.Interpreter;

/// <summary>
/// The first tier: runs decoded blocks. One method holds the loop and everything that is frequent; the rest is called. What the
/// state says of pc and retired instructions is right between blocks, and before whatever may look at it is called.
/// </summary>
/// <remarks>
/// Safety: a jump entry whose address is the pc leads to a block that stays until this hart is between two blocks
/// (<see cref="BlockCache"/>), and a block ends with an operation that leaves it. Register numbers of operations are within the state's
/// arrays. Where a tag of the TLB equals the page of an access's last byte, found under its first, address and addend make a host address
/// in mapped RAM.
/// </remarks>
internal static unsafe class BlockInterpreter
{
    private const ulong PageMask = ~(PhysicalMemory.PageSize - 1);

    /// <summary>Runs blocks until <see cref="HartState.Limit"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static BlockExit Run(Hart hart)
    {
        HartState* state = hart.State;
        ulong* x = state->X;
        ulong pc = state->Pc;
        int threshold = hart.TranslationThreshold;

    NextBlock:
        if (state->Retired >= Volatile.Read(ref state->Limit))
        {
            state->Pc = pc;
            return BlockExit.Boundary;
        }

        JumpEntry* jump = state->JumpOf(pc);
        Op* first = jump->Ops;
        if (jump->Address != pc)
        {
            first = hart.Fetch.FindBlock(pc);
            if (first is null)
            {
                hart.Trap(state->TrapCause, state->TrapValue, pc);
                pc = state->Pc;
                goto NextBlock;
            }
        }

        BlockHeader* header = BlockHeader.Of(first);
        if (header->Code != null || (++header->Heat >= threshold && hart.Blocks.Request(first, pc)))
        {
            jump->Code = header->Code;
            CodeExit exit = hart.RunTranslated(header, pc);
            pc = state->Pc;
            if (exit != CodeExit.MidBlock)
            {
                goto NextBlock;
            }

            first = state->NextOp;
        }

        ulong pageBase = pc & PageMask;
        Op* op = first;
        while (true)
        {
            switch (op->Code)
            {
                case OpCode.End:
                    state->Retired += (ulong)(op - first);
                    pc = pageBase + op->Offset;
                    goto NextBlock;

                case OpCode.LoadImmediate: x[op->Rd] = (ulong)op->Immediate; break;
                case OpCode.Auipc: x[op->Rd] = pageBase + (ulong)op->Immediate; break;
                case OpCode.Addi: x[op->Rd] = x[op->Rs1] + (ulong)op->Immediate; break;
                case OpCode.Slti: x[op->Rd] = (long)x[op->Rs1] < op->Immediate ? 1ul : 0; break;
                case OpCode.Sltiu: x[op->Rd] = x[op->Rs1] < (ulong)op->Immediate ? 1ul : 0; break;
                case OpCode.Xori: x[op->Rd] = x[op->Rs1] ^ (ulong)op->Immediate; break;
                case OpCode.Ori: x[op->Rd] = x[op->Rs1] | (ulong)op->Immediate; break;
                case OpCode.Andi: x[op->Rd] = x[op->Rs1] & (ulong)op->Immediate; break;
                case OpCode.Slli: x[op->Rd] = x[op->Rs1] << (int)op->Immediate; break;
                case OpCode.Srli: x[op->Rd] = x[op->Rs1] >> (int)op->Immediate; break;
                case OpCode.Srai: x[op->Rd] = (ulong)((long)x[op->Rs1] >> (int)op->Immediate); break;

                case OpCode.Add: x[op->Rd] = x[op->Rs1] + x[op->Rs2]; break;
                case OpCode.Sub: x[op->Rd] = x[op->Rs1] - x[op->Rs2]; break;
                case OpCode.Sll: x[op->Rd] = x[op->Rs1] << (int)x[op->Rs2]; break;
                case OpCode.Slt: x[op->Rd] = (long)x[op->Rs1] < (long)x[op->Rs2] ? 1ul : 0; break;
                case OpCode.Sltu: x[op->Rd] = x[op->Rs1] < x[op->Rs2] ? 1ul : 0; break;
                case OpCode.Xor: x[op->Rd] = x[op->Rs1] ^ x[op->Rs2]; break;
                case OpCode.Srl: x[op->Rd] = x[op->Rs1] >> (int)x[op->Rs2]; break;
                case OpCode.Sra: x[op->Rd] = (ulong)((long)x[op->Rs1] >> (int)x[op->Rs2]); break;
                case OpCode.Or: x[op->Rd] = x[op->Rs1] | x[op->Rs2]; break;
                case OpCode.And: x[op->Rd] = x[op->Rs1] & x[op->Rs2]; break;

                case OpCode.Addiw: x[op->Rd] = (ulong)(int)((uint)x[op->Rs1] + (uint)op->Immediate); break;
                case OpCode.Slliw: x[op->Rd] = (ulong)(int)((uint)x[op->Rs1] << (int)op->Immediate); break;
                case OpCode.Srliw: x[op->Rd] = (ulong)(int)((uint)x[op->Rs1] >> (int)op->Immediate); break;
                case OpCode.Sraiw: x[op->Rd] = (ulong)((int)x[op->Rs1] >> (int)op->Immediate); break;
                case OpCode.Addw: x[op->Rd] = (ulong)(int)((uint)x[op->Rs1] + (uint)x[op->Rs2]); break;
                case OpCode.Subw: x[op->Rd] = (ulong)(int)((uint)x[op->Rs1] - (uint)x[op->Rs2]); break;
                case OpCode.Sllw: x[op->Rd] = (ulong)(int)((uint)x[op->Rs1] << (int)x[op->Rs2]); break;
                case OpCode.Srlw: x[op->Rd] = (ulong)(int)((uint)x[op->Rs1] >> (int)x[op->Rs2]); break;
                case OpCode.Sraw: x[op->Rd] = (ulong)((int)x[op->Rs1] >> (int)x[op->Rs2]); break;

                case OpCode.Jal:
                    x[op->Rd] = pageBase + op->Offset + op->Length;
                    pc = pageBase + (ulong)op->Immediate;
                    goto Taken;

                case OpCode.Jalr:
                    {
                        ulong target = (x[op->Rs1] + (ulong)op->Immediate) & ~1ul;
                        x[op->Rd] = pageBase + op->Offset + op->Length;
                        pc = target;
                        goto Taken;
                    }

                case OpCode.Beq:
                    if (x[op->Rs1] == x[op->Rs2])
                    {
                        goto Branch;
                    }

                    break;

                case OpCode.Bne:
                    if (x[op->Rs1] != x[op->Rs2])
                    {
                        goto Branch;
                    }

                    break;

                case OpCode.Blt:
                    if ((long)x[op->Rs1] < (long)x[op->Rs2])
                    {
                        goto Branch;
                    }

                    break;

                case OpCode.Bge:
                    if ((long)x[op->Rs1] >= (long)x[op->Rs2])
                    {
                        goto Branch;
                    }

                    break;

                case OpCode.Bltu:
                    if (x[op->Rs1] < x[op->Rs2])
                    {
                        goto Branch;
                    }

                    break;

                case OpCode.Bgeu:
                    if (x[op->Rs1] >= x[op->Rs2])
                    {
                        goto Branch;
                    }

                    break;

                case OpCode.Lb:
                    {
                        ulong address = x[op->Rs1] + (ulong)op->Immediate;
                        TlbEntry* entry = state->EntryOf(address);
                        if (entry->Read == (address & PageMask))
                        {
                            x[op->Rd] = (ulong)*(sbyte*)(address + entry->Addend);
                        }
                        else if (hart.Mmu.Load(address, 1))
                        {
                            x[op->Rd] = (ulong)(sbyte)state->LoadValue;
                        }
                        else
                        {
                            goto Fault;
                        }

                        break;
                    }

                case OpCode.Lh:
                    {
                        ulong address = x[op->Rs1] + (ulong)op->Immediate;
                        TlbEntry* entry = state->EntryOf(address);
                        if (entry->Read == ((address + 1) & PageMask))
                        {
                            x[op->Rd] = (ulong)*(short*)(address + entry->Addend);
                        }
                        else if (hart.Mmu.Load(address, 2))
                        {
                            x[op->Rd] = (ulong)(short)state->LoadValue;
                        }
                        else
                        {
                            goto Fault;
                        }

                        break;
                    }

                case OpCode.Lw:
                    {
                        ulong address = x[op->Rs1] + (ulong)op->Immediate;
                        TlbEntry* entry = state->EntryOf(address);
                        if (entry->Read == ((address + 3) & PageMask))
                        {
                            x[op->Rd] = (ulong)*(int*)(address + entry->Addend);
                        }
                        else if (hart.Mmu.Load(address, 4))
                        {
                            x[op->Rd] = (ulong)(int)state->LoadValue;
                        }
                        else
                        {
                            goto Fault;
                        }

                        break;
                    }

                case OpCode.Ld:
                    {
                        ulong address = x[op->Rs1] + (ulong)op->Immediate;
                        TlbEntry* entry = state->EntryOf(address);
                        if (entry->Read == ((address + 7) & PageMask))
                        {
                            x[op->Rd] = *(ulong*)(address + entry->Addend);
                        }
                        else if (hart.Mmu.Load(address, 8))
                        {
                            x[op->Rd] = state->LoadValue;
                        }
                        else
                        {
                            goto Fault;
                        }

                        break;
                    }

                case OpCode.Lbu:
                    {
                        ulong address = x[op->Rs1] + (ulong)op->Immediate;
                        TlbEntry* entry = state->EntryOf(address);
                        if (entry->Read == (address & PageMask))
                        {
                            x[op->Rd] = *(byte*)(address + entry->Addend);
                        }
                        else if (hart.Mmu.Load(address, 1))
                        {
                            x[op->Rd] = state->LoadValue;
                        }
                        else
                        {
                            goto Fault;
                        }

                        break;
                    }

                case OpCode.Lhu:
                    {
                        ulong address = x[op->Rs1] + (ulong)op->Immediate;
                        TlbEntry* entry = state->EntryOf(address);
                        if (entry->Read == ((address + 1) & PageMask))
                        {
                            x[op->Rd] = *(ushort*)(address + entry->Addend);
                        }
                        else if (hart.Mmu.Load(address, 2))
                        {
                            x[op->Rd] = state->LoadValue;
                        }
                        else
                        {
                            goto Fault;
                        }

                        break;
                    }

                case OpCode.Lwu:
                    {
                        ulong address = x[op->Rs1] + (ulong)op->Immediate;
                        TlbEntry* entry = state->EntryOf(address);
                        if (entry->Read == ((address + 3) & PageMask))
                        {
                            x[op->Rd] = *(uint*)(address + entry->Addend);
                        }
                        else if (hart.Mmu.Load(address, 4))
                        {
                            x[op->Rd] = state->LoadValue;
                        }
                        else
                        {
                            goto Fault;
                        }

                        break;
                    }

                case OpCode.Sb:
                    {
                        ulong address = x[op->Rs1] + (ulong)op->Immediate;
                        TlbEntry* entry = state->EntryOf(address);
                        if (entry->Write == (address & PageMask))
                        {
                            *(byte*)(address + entry->Addend) = (byte)x[op->Rs2];
                        }
                        else if (!hart.Mmu.Store(address, x[op->Rs2], 1))
                        {
                            goto Fault;
                        }

                        break;
                    }

                case OpCode.Sh:
                    {
                        ulong address = x[op->Rs1] + (ulong)op->Immediate;
                        TlbEntry* entry = state->EntryOf(address);
                        if (entry->Write == ((address + 1) & PageMask))
                        {
                            *(ushort*)(address + entry->Addend) = (ushort)x[op->Rs2];
                        }
                        else if (!hart.Mmu.Store(address, x[op->Rs2], 2))
                        {
                            goto Fault;
                        }

                        break;
                    }

                case OpCode.Sw:
                    {
                        ulong address = x[op->Rs1] + (ulong)op->Immediate;
                        TlbEntry* entry = state->EntryOf(address);
                        if (entry->Write == ((address + 3) & PageMask))
                        {
                            *(uint*)(address + entry->Addend) = (uint)x[op->Rs2];
                        }
                        else if (!hart.Mmu.Store(address, x[op->Rs2], 4))
                        {
                            goto Fault;
                        }

                        break;
                    }

                case OpCode.Sd:
                    {
                        ulong address = x[op->Rs1] + (ulong)op->Immediate;
                        TlbEntry* entry = state->EntryOf(address);
                        if (entry->Write == ((address + 7) & PageMask))
                        {
                            *(ulong*)(address + entry->Addend) = x[op->Rs2];
                        }
                        else if (!hart.Mmu.Store(address, x[op->Rs2], 8))
                        {
                            goto Fault;
                        }

                        break;
                    }

                case OpCode.Mul: x[op->Rd] = x[op->Rs1] * x[op->Rs2]; break;
                case OpCode.Mulw: x[op->Rd] = (ulong)(int)((uint)x[op->Rs1] * (uint)x[op->Rs2]); break;
                case OpCode.Mulh: x[op->Rd] = (ulong)Math.BigMul((long)x[op->Rs1], (long)x[op->Rs2], out _); break;
                case OpCode.Mulhsu: x[op->Rd] = Math.BigMul(x[op->Rs1], x[op->Rs2], out _) - ((long)x[op->Rs1] < 0 ? x[op->Rs2] : 0); break;
                case OpCode.Mulhu: x[op->Rd] = Math.BigMul(x[op->Rs1], x[op->Rs2], out _); break;
                case OpCode.Div: x[op->Rd] = Division.Div(x[op->Rs1], x[op->Rs2]); break;
                case OpCode.Divu: x[op->Rd] = Division.Divu(x[op->Rs1], x[op->Rs2]); break;
                case OpCode.Rem: x[op->Rd] = Division.Rem(x[op->Rs1], x[op->Rs2]); break;
                case OpCode.Remu: x[op->Rd] = Division.Remu(x[op->Rs1], x[op->Rs2]); break;
                case OpCode.Divw: x[op->Rd] = Division.Divw(x[op->Rs1], x[op->Rs2]); break;
                case OpCode.Divuw: x[op->Rd] = Division.Divuw(x[op->Rs1], x[op->Rs2]); break;
                case OpCode.Remw: x[op->Rd] = Division.Remw(x[op->Rs1], x[op->Rs2]); break;
                case OpCode.Remuw: x[op->Rd] = Division.Remuw(x[op->Rs1], x[op->Rs2]); break;

                case OpCode.Sh1add: x[op->Rd] = (x[op->Rs1] << 1) + x[op->Rs2]; break;
                case OpCode.Sh2add: x[op->Rd] = (x[op->Rs1] << 2) + x[op->Rs2]; break;
                case OpCode.Sh3add: x[op->Rd] = (x[op->Rs1] << 3) + x[op->Rs2]; break;
                case OpCode.AddUw: x[op->Rd] = (uint)x[op->Rs1] + x[op->Rs2]; break;
                case OpCode.Sh1addUw: x[op->Rd] = ((ulong)(uint)x[op->Rs1] << 1) + x[op->Rs2]; break;
                case OpCode.Sh2addUw: x[op->Rd] = ((ulong)(uint)x[op->Rs1] << 2) + x[op->Rs2]; break;
                case OpCode.Sh3addUw: x[op->Rd] = ((ulong)(uint)x[op->Rs1] << 3) + x[op->Rs2]; break;
                case OpCode.SlliUw: x[op->Rd] = (ulong)(uint)x[op->Rs1] << (int)op->Immediate; break;
                case OpCode.Andn: x[op->Rd] = x[op->Rs1] & ~x[op->Rs2]; break;
                case OpCode.Orn: x[op->Rd] = x[op->Rs1] | ~x[op->Rs2]; break;
                case OpCode.Xnor: x[op->Rd] = ~(x[op->Rs1] ^ x[op->Rs2]); break;
                case OpCode.Max: x[op->Rd] = (ulong)Math.Max((long)x[op->Rs1], (long)x[op->Rs2]); break;
                case OpCode.Maxu: x[op->Rd] = Math.Max(x[op->Rs1], x[op->Rs2]); break;
                case OpCode.Min: x[op->Rd] = (ulong)Math.Min((long)x[op->Rs1], (long)x[op->Rs2]); break;
                case OpCode.Minu: x[op->Rd] = Math.Min(x[op->Rs1], x[op->Rs2]); break;
                case OpCode.SextB: x[op->Rd] = (ulong)(sbyte)x[op->Rs1]; break;
                case OpCode.SextH: x[op->Rd] = (ulong)(short)x[op->Rs1]; break;
                case OpCode.ZextH: x[op->Rd] = (ushort)x[op->Rs1]; break;
                case OpCode.Rol: x[op->Rd] = BitOperations.RotateLeft(x[op->Rs1], (int)x[op->Rs2]); break;
                case OpCode.Ror: x[op->Rd] = BitOperations.RotateRight(x[op->Rs1], (int)x[op->Rs2]); break;
                case OpCode.Rori: x[op->Rd] = BitOperations.RotateRight(x[op->Rs1], (int)op->Immediate); break;
                case OpCode.Rolw: x[op->Rd] = (ulong)(int)BitOperations.RotateLeft((uint)x[op->Rs1], (int)x[op->Rs2]); break;
                case OpCode.Rorw: x[op->Rd] = (ulong)(int)BitOperations.RotateRight((uint)x[op->Rs1], (int)x[op->Rs2]); break;
                case OpCode.Roriw: x[op->Rd] = (ulong)(int)BitOperations.RotateRight((uint)x[op->Rs1], (int)op->Immediate); break;
                case OpCode.Clz: x[op->Rd] = (ulong)BitOperations.LeadingZeroCount(x[op->Rs1]); break;
                case OpCode.Ctz: x[op->Rd] = (ulong)BitOperations.TrailingZeroCount(x[op->Rs1]); break;
                case OpCode.Cpop: x[op->Rd] = (ulong)BitOperations.PopCount(x[op->Rs1]); break;
                case OpCode.Clzw: x[op->Rd] = (ulong)BitOperations.LeadingZeroCount((uint)x[op->Rs1]); break;
                case OpCode.Ctzw: x[op->Rd] = (ulong)BitOperations.TrailingZeroCount((uint)x[op->Rs1]); break;
                case OpCode.Cpopw: x[op->Rd] = (ulong)BitOperations.PopCount((uint)x[op->Rs1]); break;
                case OpCode.OrcB: x[op->Rd] = BitManipulation.OrCombineBytes(x[op->Rs1]); break;
                case OpCode.Rev8: x[op->Rd] = System.Buffers.Binary.BinaryPrimitives.ReverseEndianness(x[op->Rs1]); break;
                case OpCode.Bclr: x[op->Rd] = x[op->Rs1] & ~(1ul << (int)x[op->Rs2]); break;
                case OpCode.Bext: x[op->Rd] = (x[op->Rs1] >> (int)x[op->Rs2]) & 1; break;
                case OpCode.Binv: x[op->Rd] = x[op->Rs1] ^ (1ul << (int)x[op->Rs2]); break;
                case OpCode.Bset: x[op->Rd] = x[op->Rs1] | (1ul << (int)x[op->Rs2]); break;
                case OpCode.Bclri: x[op->Rd] = x[op->Rs1] & ~(1ul << (int)op->Immediate); break;
                case OpCode.Bexti: x[op->Rd] = (x[op->Rs1] >> (int)op->Immediate) & 1; break;
                case OpCode.Binvi: x[op->Rd] = x[op->Rs1] ^ (1ul << (int)op->Immediate); break;
                case OpCode.Bseti: x[op->Rd] = x[op->Rs1] | (1ul << (int)op->Immediate); break;

                case OpCode.CzeroEqz: x[op->Rd] = x[op->Rs2] == 0 ? 0 : x[op->Rs1]; break;
                case OpCode.CzeroNez: x[op->Rd] = x[op->Rs2] != 0 ? 0 : x[op->Rs1]; break;
                case OpCode.Pause:
                    if (--state->Pauses == 0)
                    {
                        state->Limit = 0;
                    }

                    break;
                case OpCode.Fence: Interlocked.MemoryBarrier(); break;

                case OpCode.Flw or OpCode.Fld or OpCode.Fsw or OpCode.Fsd or OpCode.CboZero:
                    switch (op->Code == OpCode.CboZero ? CacheBlockInterpreter.Zero(hart, op) : FloatInterpreter.Move(hart, op))
                    {
                        case AccessResult.Illegal: goto Illegal;
                        case AccessResult.Fault: goto Fault;
                    }

                    break;

                case <= OpCode.AmoMaxuD:
                    if (!AtomicInterpreter.Execute(hart, op))
                    {
                        goto Fault;
                    }

                    break;

                case < OpCode.Csrrw:
                    if (!FloatInterpreter.Execute(state, op))
                    {
                        goto Illegal;
                    }

                    break;

                default:
                    state->Retired += (ulong)(op - first);
                    BlockExit wanted = SystemInterpreter.Execute(hart, op, pageBase + op->Offset);
                    if (wanted != BlockExit.Boundary)
                    {
                        return wanted;
                    }

                    pc = state->Pc;
                    goto NextBlock;
            }

            op++;
        }

    Branch:
        pc = pageBase + (ulong)op->Immediate;
    Taken:
        state->Retired += (ulong)(op - first) + 1;
        goto NextBlock;

    Illegal:
        state->TrapValue = hart.Fetch.InstructionBits(pageBase + op->Offset);
        state->TrapCause = ExceptionCause.IllegalInstruction;
    Fault:
        state->Retired += (ulong)(op - first);
        hart.Trap(state->TrapCause, state->TrapValue, pageBase + op->Offset);
        pc = state->Pc;
        goto NextBlock;
    }
}
