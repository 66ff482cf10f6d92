using PsVm.Machine.State;

namespace PsVm.Machine.Devices.Disks;

/// <summary>The blocks of an overlay in a template's state, as <see cref="SealedOverlay"/> writes them.</summary>
internal static class OverlayBlocks
{
    /// <summary>Reads them.</summary>
    /// <param name="state">The state.</param>
    /// <param name="size">Bytes of the disk.</param>
    /// <returns>Number and content of each, in order; null: zeros.</returns>
    /// <exception cref="InvalidDataException">They are not such a disk's.</exception>
    public static List<(long Number, byte[]? Content)> Read(StateStream state, long size)
    {
        int count = state.TransferCount(0, sizeof(long) + 1);
        List<(long, byte[]?)> blocks = new(count);
        for (long i = 0, before = -1; i < count; i++)
        {
            long number = 0;
            bool isZero = false;
            state.Transfer(ref number);
            state.Transfer(ref isZero);
            if (number <= before || number > (size - 1) / IDiskOverlay.BlockSize)
            {
                throw new InvalidDataException($"block {number} of a disk of {size} bytes behind block {before}");
            }

            byte[]? content = isZero ? null : new byte[IDiskOverlay.BlockSize];
            state.Transfer(content.AsSpan());
            blocks.Add((number, content));
            before = number;
        }

        return blocks;
    }
}
