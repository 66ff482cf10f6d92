using System.Buffers.Binary;
using PsVm.Machine.Devices.Folders;
using PsVm.Machine.State;

namespace PsVm.Machine.Tests.Support;

/// <summary>
/// No folder: it notes requests, has each wait as long as a test wants, and answers with as many bytes as the request's body says.
/// </summary>
internal sealed class FakeFolderServer : IFolderServer
{
    public const byte Slow = 200;

    private readonly Lock _gate = new();
    private int _resets;

    public int MostMessage => 64 << 10;

    /// <summary>Requests with this type wait for it.</summary>
    public ManualResetEventSlim Go { get; } = new(false);

    /// <summary>What was asked for.</summary>
    public List<byte[]> Requests { get; } = [];

    public int Resets => Volatile.Read(ref _resets);

    /// <summary>Taken with the state.</summary>
    public uint Remembered { get; set; }

    public Action? OnReset { get; set; }

    public int Answer(ReadOnlySpan<byte> request, Span<byte> answer)
    {
        lock (_gate)
        {
            Requests.Add(request.ToArray());
        }

        if (request[4] == Slow)
        {
            Go.Wait();
        }

        int length = request.Length >= 11 ? (int)BinaryPrimitives.ReadUInt32LittleEndian(request[7..]) : 7;
        length = Math.Clamp(length, 7, answer.Length);
        answer[..length].Fill(0xa5);
        BinaryPrimitives.WriteInt32LittleEndian(answer, length);
        answer[4] = (byte)(request[4] + 1);
        request.Slice(5, 2).CopyTo(answer[5..]);
        return length;
    }

    public void Reset()
    {
        OnReset?.Invoke();
        Interlocked.Increment(ref _resets);
    }

    public void Transfer(StateStream state)
    {
        uint remembered = Remembered;
        state.Transfer(ref remembered);
        Remembered = remembered;
    }

    public void Dispose() => Go.Set();
}
