using System.Diagnostics;
using System.Numerics;
using System.Runtime.CompilerServices;

namespace PsVm.Riscv.Memory;

/// <summary>Does something with a piece of guest RAM.</summary>
/// <param name="part">The piece. It must not be kept: the RAM may be unmapped once the guest has ended.</param>
/// <returns>Bytes of it that were done, from its start; fewer than all end the access.</returns>
public delegate int RamVisitor(Span<byte> part);

/// <content>
/// The one way to RAM for all that is not a hart. No method throws for what the caller, who may have had it from the guest, asks for. A
/// page that the host has lost is the host's signal handler's to replace; here it is memory like any other.
/// </content>
public sealed unsafe partial class PhysicalMemory
{
    // A span cannot be longer than this; a power of two keeps pieces aligned.
    private const ulong LongestSpan = 1 << 30;

    /// <summary>Whether a whole range is RAM that can be used so.</summary>
    /// <param name="address">First address.</param>
    /// <param name="length">Bytes; none are always there.</param>
    /// <param name="use">What is to be done.</param>
    public RamOutcome Check(GuestAddress address, ulong length, RamUse use)
    {
        if (length == 0)
        {
            return new RamOutcome(RamStatus.Done, 0);
        }

        if (!address.TryAdd(length - 1, out _))
        {
            return new RamOutcome(RamStatus.Overflow, 0);
        }

        // Harts, blocks and their kinds do not change once a hart exists, so the answer stays right.
        ulong done = 0;
        while (done < length)
        {
            if (Find(address.Value + done) is not { } region)
            {
                return new RamOutcome(RamStatus.NoRam, done);
            }

            if (use == RamUse.Write && region.ReadOnly)
            {
                return new RamOutcome(RamStatus.ReadOnly, done);
            }

            done += Math.Min(length - done, region.Length - (address.Value + done - region.Base));
        }

        return new RamOutcome(RamStatus.Done, length);
    }

    /// <summary>Whether an instruction can begin at an address: RAM, read-only or not. Devices are none.</summary>
    public bool IsRam(GuestAddress address) => Find(address.Value) is not null;

    /// <summary>Copies guest RAM out.</summary>
    /// <param name="address">First address.</param>
    /// <param name="to">Takes the bytes; those that were not read stay as they are.</param>
    public RamOutcome Read(GuestAddress address, Span<byte> to)
    {
        RamStatus status = RamStatus.Done;
        ulong done = 0;
        while (done < (ulong)to.Length && TryPart(address, (ulong)to.Length, done, RamUse.Read, out Span<byte> part, out status))
        {
            part.CopyTo(to[(int)done..]);
            done += (ulong)part.Length;
        }

        return new RamOutcome(status, done);
    }

    /// <summary>Copies bytes into guest RAM.</summary>
    /// <param name="address">First address.</param>
    /// <param name="from">The bytes.</param>
    public RamOutcome Write(GuestAddress address, ReadOnlySpan<byte> from)
    {
        RamStatus status = RamStatus.Done;
        ulong done = 0;
        while (done < (ulong)from.Length
            && TryPart(address, (ulong)from.Length, done, RamUse.Write, out Span<byte> part, out status))
        {
            from.Slice((int)done, part.Length).CopyTo(part);
            NotifyWritten(address.Value + done, (ulong)part.Length);
            done += (ulong)part.Length;
        }

        return new RamOutcome(status, done);
    }

    /// <summary>Sets every byte of a range.</summary>
    public RamOutcome Fill(GuestAddress address, ulong length, byte value)
    {
        RamStatus status = RamStatus.Done;
        ulong done = 0;
        while (done < length && TryPart(address, length, done, RamUse.Write, out Span<byte> part, out status))
        {
            part.Fill(value);
            NotifyWritten(address.Value + done, (ulong)part.Length);
            done += (ulong)part.Length;
        }

        return new RamOutcome(status, done);
    }

    /// <summary>Copies guest RAM to another place in it; the two may overlap.</summary>
    /// <returns>
    /// Where a part of either range cannot be used, nothing is done, and the bytes before it are told. Where a page cannot be had
    /// (<see cref="RamStatus.Incomplete"/>), some of the target may have been written.
    /// </returns>
    public RamOutcome Copy(GuestAddress from, GuestAddress to, ulong length)
    {
        RamOutcome source = Check(from, length, RamUse.Read);
        RamOutcome target = Check(to, length, RamUse.Write);
        if (!source.IsDone || !target.IsDone)
        {
            return source.IsDone ? target : source;
        }

        // From the end when the target begins inside the source, so that no byte is overwritten before it was read.
        bool backward = from < to && to.Value - from.Value < length;
        for (ulong done = 0; done < length;)
        {
            ulong left = length - done;
            ulong start = backward ? left - Math.Min(left, StretchBefore(from, to, left)) : done;
            ulong end = backward ? left : length;
            if (!TryPart(from, end, start, RamUse.Read, out Span<byte> part, out RamStatus status)
                || !TryPart(to, end, start, RamUse.Write, out Span<byte> place, out status))
            {
                return new RamOutcome(status, backward ? 0 : done);
            }

            int count = Math.Min(part.Length, place.Length);
            Debug.Assert(count > 0 && (!backward || (ulong)count == left - start), "both ranges were checked");
            part[..count].CopyTo(place);
            NotifyWritten(to.Value + start, (ulong)count);
            done += (ulong)count;
        }

        return new RamOutcome(RamStatus.Done, length);
    }

    /// <summary>Shows a range piece by piece, in order.</summary>
    /// <param name="address">First address.</param>
    /// <param name="length">Bytes.</param>
    /// <param name="use">What the visitor does; one that says Read must not write, least of all to read-only blocks.</param>
    /// <param name="visit">Is given each piece, of at most 1 GiB, and must not keep it.</param>
    /// <returns><see cref="RamStatus.Incomplete"/>: the visitor did less than it was given.</returns>
    public RamOutcome Visit(GuestAddress address, ulong length, RamUse use, RamVisitor visit)
    {
        ArgumentNullException.ThrowIfNull(visit);
        RamStatus status = RamStatus.Done;
        ulong done = 0;
        while (done < length && TryPart(address, length, done, use, out Span<byte> part, out status))
        {
            int count = 0;
            try
            {
                count = Math.Clamp(visit(part), 0, part.Length);
            }
            finally
            {
                // A visitor that throws may have written all of it.
                if (use == RamUse.Write)
                {
                    NotifyWritten(address.Value + done, (ulong)part.Length);
                }
            }

            done += (ulong)count;
            if (count < part.Length)
            {
                return new RamOutcome(RamStatus.Incomplete, done);
            }
        }

        return new RamOutcome(status, done);
    }

    /// <summary>Reads a little-endian number, in one access when it is aligned.</summary>
    /// <param name="address">First address.</param>
    /// <param name="value">The number; 0 when it could not be read.</param>
    /// <returns>False: not all of it is RAM.</returns>
    public bool TryLoad<T>(GuestAddress address, out T value)
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
    {
        int size = Unsafe.SizeOf<T>();
        if (BitConverter.IsLittleEndian && TryPart(address, (ulong)size, 0, RamUse.Read, out Span<byte> part, out _)
            && part.Length == size)
        {
            value = Unsafe.ReadUnaligned<T>(ref part[0]);
            return true;
        }

        Span<byte> bytes = stackalloc byte[size];
        bool isRead = Read(address, bytes).IsDone;
        value = isRead ? T.ReadLittleEndian(bytes, isUnsigned: true) : T.Zero;
        return isRead;
    }

    /// <summary>Writes a little-endian number, in one access when it is aligned.</summary>
    /// <param name="address">First address.</param>
    /// <param name="value">The number.</param>
    /// <returns>Nothing is written where not all of it can be.</returns>
    public RamOutcome Store<T>(GuestAddress address, T value)
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
    {
        int size = Unsafe.SizeOf<T>();
        if (BitConverter.IsLittleEndian && TryPart(address, (ulong)size, 0, RamUse.Write, out Span<byte> part, out _)
            && part.Length == size)
        {
            Unsafe.WriteUnaligned(ref part[0], value);
            NotifyWritten(address.Value, (ulong)size);
            return new RamOutcome(RamStatus.Done, (ulong)size);
        }

        RamOutcome check = Check(address, (ulong)size, RamUse.Write);
        if (!check.IsDone)
        {
            return check with { Bytes = 0 };
        }

        Span<byte> bytes = stackalloc byte[size];
        value.WriteLittleEndian(bytes);
        return Write(address, bytes);
    }

    /// <summary>The next piece of a range: what lies in one block.</summary>
    /// <param name="address">First address of the range.</param>
    /// <param name="length">Bytes of the range, at least one more than are done.</param>
    /// <param name="done">Bytes before the piece.</param>
    /// <param name="use">What is to be done with it.</param>
    /// <param name="part">The piece.</param>
    /// <param name="status">Done, or why there is none.</param>
    /// <remarks>
    /// Safety: the span lies inside one block, whose host memory stays mapped as long as the guest whose RAM this is; it leaves this class
    /// only as the argument of a <see cref="RamVisitor"/>.
    /// </remarks>
    private bool TryPart(GuestAddress address, ulong length, ulong done, RamUse use, out Span<byte> part, out RamStatus status)
    {
        Debug.Assert(done < length, "there is a next piece");
        part = default;
        if (!address.TryAdd(length - 1, out _))
        {
            status = RamStatus.Overflow;
            return false;
        }

        ulong next = address.Value + done;
        if (Find(next) is not { } region)
        {
            status = RamStatus.NoRam;
            return false;
        }

        if (use == RamUse.Write && region.ReadOnly)
        {
            status = RamStatus.ReadOnly;
            return false;
        }

        ulong offset = next - region.Base;
        int size = (int)Math.Min(Math.Min(length - done, region.Length - offset), LongestSpan);
        Debug.Assert(size > 0 && (ulong)size <= region.Length - offset, "inside the block");
        if (!Await(region, offset, size))
        {
            status = RamStatus.Incomplete;
            return false;
        }

        if (use == RamUse.Write && Volatile.Read(ref _guard) is { } guard)
        {
            long page = region.PageAt(next);
            guard.BeforeWrite(page, region.PageAt(next + (ulong)size - 1) - page + 1);
        }

        part = new Span<byte>(region.Host + offset, size);
        status = RamStatus.Done;
        return true;
    }

    /// <summary>Bytes before an offset that lie in one block of both ranges, which were checked.</summary>
    private ulong StretchBefore(GuestAddress from, GuestAddress to, ulong offset)
    {
        ulong source = from.Value + (offset - 1);
        ulong target = to.Value + (offset - 1);
        return Math.Min(Math.Min(source - Find(source)!.Base, target - Find(target)!.Base) + 1, LongestSpan);
    }
}
