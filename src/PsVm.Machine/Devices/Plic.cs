using System.Numerics;
using PsVm.Machine.State;
using PsVm.Riscv;

namespace PsVm.Machine.Devices;

/// <summary>The platform-level interrupt controller: takes devices' levels to harts' external interrupts.</summary>
/// <remarks>
/// Context 2h is machine mode of hart h, context 2h+1 its supervisor mode. Source: RISC-V PLIC specification 1.0.0.
/// </remarks>
internal sealed class Plic(int harts, IHartLines lines) : IDevice, IInterruptController, IStateful
{
    /// <summary>Interrupt sources, counting source 0, which does not exist.</summary>
    public const int Sources = 96;

    private const int Words = Sources / 32;
    private const uint PriorityMask = 7;

    private const uint SupervisorExternal = 9;
    private const uint MachineExternal = 11;

    private const ulong PendingStart = 0x1000;
    private const ulong EnableStart = 0x2000;
    private const ulong EnableStride = 0x80;
    private const ulong ContextStart = 0x20_0000;
    private const ulong ContextStride = 0x1000;

    private readonly Lock _gate = new();
    private readonly int _contexts = 2 * harts;
    private readonly uint[] _priority = new uint[Sources];
    private readonly uint[] _level = new uint[Words];
    private readonly uint[] _pending = new uint[Words];
    private readonly uint[] _claimed = new uint[Words];
    private readonly uint[] _enable = new uint[2 * harts * Words];
    private readonly uint[] _threshold = new uint[2 * harts];
    private readonly bool[] _raised = new bool[2 * harts];

    /// <summary>What boards know of it.</summary>
    public static DeviceKind Kind { get; } = new()
    {
        Node = "plic",
        Compatible = ["sifive,plic-1.0.0", "riscv,plic0"],
        Size = 0x60_0000,
        IsInterruptController = true,
        Create = wires => new Plic(wires.Harts, wires.Lines),
        Describe = (tree, node) =>
        {
            tree.Property("#address-cells", 0u);
            tree.Property("#interrupt-cells", 1);
            tree.Property("interrupt-controller");
            tree.Property("riscv,ndev", Sources - 1);
            tree.Property("interrupts-extended", node.OfEachHart(MachineExternal, SupervisorExternal));
            tree.Property("phandle", node.Handle);
        },
    };

    public void SetLevel(int source, bool level)
    {
        (int word, uint bit) = (source / 32, 1u << (source % 32));
        lock (_gate)
        {
            if (level == ((_level[word] & bit) != 0))
            {
                return;
            }

            _level[word] ^= bit;
            if (level)
            {
                _pending[word] |= bit & ~_claimed[word];
                lines.NoteSource();
            }
            else
            {
                _pending[word] &= ~bit;
            }

            Update();
        }
    }

    public void Pulse(int source)
    {
        lock (_gate)
        {
            _pending[source / 32] |= 1u << (source % 32);
            lines.NoteSource();
            Update();
        }
    }

    public void Transfer(StateStream state)
    {
        lock (_gate)
        {
            state.Transfer(_priority.AsSpan());
            state.Transfer(_level.AsSpan());
            state.Transfer(_pending.AsSpan());
            state.Transfer(_claimed.AsSpan());
            state.Transfer(_enable.AsSpan());
            state.Transfer(_threshold.AsSpan());
            Check();
            Update();
        }
    }

    public bool TryRead(ulong offset, int size, out ulong value)
    {
        value = 0;
        if (size != 4)
        {
            return false;
        }

        lock (_gate)
        {
            if (offset < PendingStart)
            {
                value = offset / 4 < Sources ? _priority[offset / 4] : 0;
            }
            else if (offset < EnableStart)
            {
                ulong word = (offset - PendingStart) / 4;
                value = word < Words ? _pending[word] : 0;
            }
            else if (offset < ContextStart)
            {
                value = TryFindEnable(offset, out int index) ? _enable[index] : 0;
            }
            else if (TryFindContext(offset, out int context, out ulong register))
            {
                value = register switch
                {
                    0 => _threshold[context],
                    4 => Claim(context),
                    _ => 0,
                };
            }
        }

        return true;
    }

    public bool TryWrite(ulong offset, int size, ulong value)
    {
        if (size != 4)
        {
            return false;
        }

        lock (_gate)
        {
            if (offset < PendingStart)
            {
                if (offset / 4 is > 0 and < Sources)
                {
                    _priority[offset / 4] = (uint)value & PriorityMask;
                }
            }
            else if (offset >= EnableStart && offset < ContextStart)
            {
                if (TryFindEnable(offset, out int index))
                {
                    _enable[index] = (uint)value & (index % Words == 0 ? ~1u : ~0u);
                }
            }
            else if (offset >= ContextStart && TryFindContext(offset, out int context, out ulong register))
            {
                if (register == 0)
                {
                    _threshold[context] = (uint)value & PriorityMask;
                }
                else if (register == 4)
                {
                    Complete(context, (uint)value);
                }
            }

            Update();
        }

        return true;
    }

    /// <summary>Holds what came from a template against what registers can hold.</summary>
    private void Check()
    {
        // Source 0 does not exist: it has no priority, and its bit is clear everywhere.
        bool hasSourceZero = _priority[0] != 0 || ((_level[0] | _pending[0] | _claimed[0]) & 1) != 0;
        for (int context = 0; context < _contexts; context++)
        {
            hasSourceZero |= (_enable[context * Words] & 1) != 0;
        }

        if (hasSourceZero)
        {
            throw new InvalidDataException("interrupt source 0, which does not exist");
        }

        uint highest = Math.Max(_priority.Max(), _threshold.Max());
        if (highest > PriorityMask)
        {
            throw new InvalidDataException($"an interrupt priority or threshold of {highest}, more than {PriorityMask}");
        }
    }

    private bool TryFindEnable(ulong offset, out int index)
    {
        ulong context = (offset - EnableStart) / EnableStride;
        ulong word = (offset - EnableStart) % EnableStride / 4;
        index = (int)((context * Words) + word);
        return context < (ulong)_contexts && word < Words;
    }

    private bool TryFindContext(ulong offset, out int context, out ulong register)
    {
        context = (int)((offset - ContextStart) / ContextStride);
        register = (offset - ContextStart) % ContextStride;
        return context < _contexts;
    }

    private uint Claim(int context)
    {
        uint best = FindBest(context, above: 0);
        if (best != 0)
        {
            _pending[best / 32] &= ~(1u << (int)(best % 32));
            _claimed[best / 32] |= 1u << (int)(best % 32);
            Update();
        }

        return best;
    }

    private void Complete(int context, uint source)
    {
        if (source >= Sources)
        {
            return;
        }

        (uint word, uint bit) = (source / 32, 1u << (int)(source % 32));
        if ((_enable[(context * Words) + (int)word] & bit) != 0)
        {
            _claimed[word] &= ~bit;
            _pending[word] |= _level[word] & bit;
        }
    }

    /// <summary>The pending and enabled source of the highest priority above a threshold, the lowest number first; 0: none.</summary>
    private uint FindBest(int context, uint above)
    {
        (uint best, uint bestPriority) = (0, above);
        for (int word = 0; word < Words; word++)
        {
            for (uint bits = _pending[word] & _enable[(context * Words) + word]; bits != 0; bits &= bits - 1)
            {
                uint source = (uint)((word * 32) + BitOperations.TrailingZeroCount(bits));
                if (_priority[source] > bestPriority)
                {
                    (best, bestPriority) = (source, _priority[source]);
                }
            }
        }

        return best;
    }

    // Lines change under the gate, so that two harts cannot leave a stale level behind.
    private void Update()
    {
        for (int context = 0; context < _contexts; context++)
        {
            bool raise = FindBest(context, _threshold[context]) != 0;
            if (raise != _raised[context])
            {
                _raised[context] = raise;
                InterruptLines line = context % 2 == 0 ? InterruptLines.MachineExternal : InterruptLines.SupervisorExternal;
                lines.SetInterrupt(context / 2, line, raise);
            }
        }
    }
}
