using System.Buffers.Binary;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace PsVm.Machine.State;

/// <summary>A part of a machine whose state goes into templates.</summary>
internal interface IStateful
{
    /// <summary>Version of what it writes; it reads this one and all before, by the stream's.</summary>
    uint StateVersion => 1;

    /// <summary>Takes its state to the stream or from it; one method for both, so that the two cannot differ.</summary>
    /// <exception cref="InvalidDataException">The stream does not hold a state of this part.</exception>
    void Transfer(StateStream state);
}

/// <summary>A part of a state that is written when the guest goes on already: it holds what was there, until it is disposed.</summary>
internal interface ILaterState : IDisposable
{
    /// <summary>Writes it.</summary>
    /// <exception cref="OperationCanceledException">It was given up.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    void Write(StateStream state, CancellationToken cancellation);
}

/// <summary>Numbers on their way into a template or out of it, little-endian.</summary>
internal sealed class StateStream
{
    private readonly List<byte> _written = [];
    private readonly Func<string, SafeFileHandle>? _files;
    private ILaterState? _later;
    private readonly ReadOnlyMemory<byte> _source;
    private int _position;

    /// <summary>A stream to write to.</summary>
    /// <param name="version">The version that is written.</param>
    /// <param name="files">Makes a file beside the state, for something of a name that is too large to be in it; null: nothing is.</param>
    public StateStream(uint version = 1, Func<string, SafeFileHandle>? files = null) => (Version, _files) = (version, files);

    /// <summary>A stream to read from.</summary>
    /// <param name="source">What was written.</param>
    /// <param name="version">The version that it was written as.</param>
    public StateStream(ReadOnlyMemory<byte> source, uint version = 1)
    {
        _source = source;
        Version = version;
        IsReading = true;
    }

    /// <summary>The version of the content; see <see cref="IStateful.StateVersion"/>.</summary>
    public uint Version { get; }

    /// <summary>Values come from the template.</summary>
    public bool IsReading { get; }

    /// <summary>What was written, and what was to be written later.</summary>
    public byte[] ToArray(CancellationToken cancellation = default)
    {
        using (ILaterState? later = _later)
        {
            _later = null;
            later?.Write(this, cancellation);
        }

        return [.. _written];
    }

    /// <summary>Has the last part of the state written by <see cref="ToArray"/>, which may be when the machine goes on already.</summary>
    public void TransferLater(ILaterState last) =>
        _later = _later is null ? last : throw new InvalidOperationException("Something comes last already.");

    /// <summary>A new, empty file beside the state, for what is too large to be in it.</summary>
    /// <param name="what">What it is of, by its name.</param>
    /// <exception cref="IOException">It cannot be made.</exception>
    public SafeFileHandle MakeFile(string what) =>
        _files?.Invoke(what) ?? throw new InvalidOperationException("Nothing is beside this state.");

    /// <summary>Gives up what was to be written later.</summary>
    public void Abandon()
    {
        _later?.Dispose();
        _later = null;
    }

    /// <summary>Says that everything has been read.</summary>
    /// <exception cref="InvalidDataException">It has not.</exception>
    public void End()
    {
        if (_position < _source.Length)
        {
            throw new InvalidDataException($"{_source.Length - _position} bytes more than expected");
        }
    }

    /// <summary>Bytes of a known number.</summary>
    /// <remarks>A clone's start is some hundred calls of it, most of which come before the runtime would optimise it by itself.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Transfer(Span<byte> value)
    {
        if (!IsReading)
        {
            Debug.Assert(_later is null, "What comes later comes last.");
            _written.AddRange(value);
            return;
        }

        if (value.Length > _source.Length - _position)
        {
            throw new InvalidDataException($"{value.Length - (_source.Length - _position)} bytes fewer than expected");
        }

        _source.Span.Slice(_position, value.Length).CopyTo(value);
        _position += value.Length;
    }

    /// <summary>A 64-bit number.</summary>
    public void Transfer(ref ulong value)
    {
        if (BitConverter.IsLittleEndian)
        {
            Transfer(MemoryMarshal.AsBytes(new Span<ulong>(ref value)));
            return;
        }

        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        Transfer(bytes);
        value = BinaryPrimitives.ReadUInt64LittleEndian(bytes);
    }

    /// <summary>A 32-bit number.</summary>
    public void Transfer(ref uint value)
    {
        if (BitConverter.IsLittleEndian)
        {
            Transfer(MemoryMarshal.AsBytes(new Span<uint>(ref value)));
            return;
        }

        Span<byte> bytes = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        Transfer(bytes);
        value = BinaryPrimitives.ReadUInt32LittleEndian(bytes);
    }

    /// <summary>A signed 64-bit number.</summary>
    public void Transfer(ref long value)
    {
        ulong bits = (ulong)value;
        Transfer(ref bits);
        value = (long)bits;
    }

    /// <summary>A byte.</summary>
    public void Transfer(ref byte value) => Transfer(new Span<byte>(ref value));

    /// <summary>A truth value.</summary>
    public void Transfer(ref bool value)
    {
        byte bit = value ? (byte)1 : (byte)0;
        Transfer(ref bit);
        value = bit <= 1 ? bit == 1 : throw new InvalidDataException($"expected 0 or 1, found {bit}");
    }

    /// <summary>A UUID, in the order in which it is written down.</summary>
    public void Transfer(ref Guid value)
    {
        Span<byte> bytes = stackalloc byte[16];
        value.TryWriteBytes(bytes, bigEndian: true, out _);
        Transfer(bytes);
        value = new Guid(bytes, bigEndian: true);
    }

    /// <summary>32-bit numbers of a known number.</summary>
    public void Transfer(Span<uint> values)
    {
        if (BitConverter.IsLittleEndian)
        {
            Transfer(MemoryMarshal.AsBytes(values));
            return;
        }

        foreach (ref uint value in values)
        {
            Transfer(ref value);
        }
    }

    /// <summary>64-bit numbers of a known number.</summary>
    public void Transfer(Span<ulong> values)
    {
        if (BitConverter.IsLittleEndian)
        {
            Transfer(MemoryMarshal.AsBytes(values));
            return;
        }

        foreach (ref ulong value in values)
        {
            Transfer(ref value);
        }
    }

    /// <summary>Truth values of a known number.</summary>
    public void Transfer(Span<bool> values)
    {
        foreach (ref bool value in values)
        {
            Transfer(ref value);
        }
    }

    /// <summary>How many of something follow.</summary>
    /// <param name="count">When writing: how many.</param>
    /// <param name="size">Bytes of each, at least.</param>
    public int TransferCount(int count, int size)
    {
        uint number = (uint)count;
        Transfer(ref number);
        return !IsReading || number <= (uint)((_source.Length - _position) / size)
            ? (int)number
            : throw new InvalidDataException($"found {number} items in {_source.Length - _position} bytes");
    }

    /// <summary>Bytes, and how many.</summary>
    public void Transfer(ref byte[] value)
    {
        int count = TransferCount(value.Length, 1);
        value = IsReading ? new byte[count] : value;
        Transfer(value.AsSpan());
    }
}
