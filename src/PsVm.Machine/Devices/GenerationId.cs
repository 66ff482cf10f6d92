using PsVm.Machine.State;

namespace PsVm.Machine.Devices;

/// <summary>
/// The machine's generation id, by which a guest learns that it was cloned: 16 bytes to read, and an interrupt when they change.
/// </summary>
/// <remarks>Source: Linux, devicetree binding <c>microsoft,vmgenid</c>. Linux mixes the new id into its random pool and reseeds.</remarks>
/// <param name="changed">Raises the interrupt once.</param>
internal sealed class GenerationId(Action changed) : IDevice, IStateful
{
    private const int Size = 16;

    private readonly Lock _gate = new();
    private readonly byte[] _bytes = Guid.NewGuid().ToByteArray(bigEndian: true);

    /// <summary>What boards know of it.</summary>
    public static DeviceKind Kind { get; } = new()
    {
        Node = "rng",
        Compatible = ["microsoft,vmgenid"],
        Size = 0x1000,
        Interrupts = 1,
        Create = wires => new GenerationId(wires.Interrupts[0].Pulse),
    };

    /// <summary>The id, as it is written down.</summary>
    public Guid Value
    {
        get
        {
            lock (_gate)
            {
                return new Guid(_bytes, bigEndian: true);
            }
        }
    }

    /// <summary>Makes a new id and tells the guest.</summary>
    public void Renew()
    {
        lock (_gate)
        {
            Guid.NewGuid().TryWriteBytes(_bytes, bigEndian: true, out _);
        }

        changed();
    }

    public bool TryRead(ulong offset, int size, out ulong value)
    {
        value = 0;
        lock (_gate)
        {
            for (int i = 0; i < size && offset + (ulong)i < Size; i++)
            {
                value |= (ulong)_bytes[(int)offset + i] << (8 * i);
            }
        }

        return true;
    }

    public bool TryWrite(ulong offset, int size, ulong value) => true;

    public void Transfer(StateStream state)
    {
        lock (_gate)
        {
            state.Transfer(_bytes.AsSpan());
        }
    }
}
