using System.Buffers.Binary;
using System.Diagnostics;
using PsVm.Machine.Devices.Disks;
using PsVm.Machine.State;

namespace PsVm.Machine.Devices.Folders;

/// <summary>A folder of the host's that a guest shares, under a tag. It outlives boards. Safe from any thread.</summary>
/// <param name="tag">What guest and templates know it by.</param>
/// <param name="server">Answers what the guest asks of it; its own from here on.</param>
internal sealed class SharedFolder(string tag, IFolderServer server) : IDisposable
{
    private IFolderServer _server = server;
    private long _requests, _readBytes, _writtenBytes, _failures;
    private uint _lastFailure;

    /// <summary>What guest and templates know it by.</summary>
    public string Tag => tag;

    /// <summary>Told why a request failed as none should, once until another reason comes; on any thread.</summary>
    public Action<string>? Failed { get; set; }

    /// <summary>The threads that wait for the host's file system.</summary>
    public DiskThreads Threads { get; } = new("PsVm folder");

    /// <summary>Bytes of the longest message.</summary>
    public int MostMessage => Volatile.Read(ref _server).MostMessage;

    /// <summary>What the guest has asked, read and written, what failed, and how the last one did (errno; 0: none).</summary>
    public (long Requests, long Read, long Written, long Failures, uint LastFailure) Counts => (
        Volatile.Read(ref _requests), Volatile.Read(ref _readBytes), Volatile.Read(ref _writtenBytes), Volatile.Read(ref _failures),
        Volatile.Read(ref _lastFailure));

    /// <inheritdoc cref="IFolderServer.Answer"/>
    public int Answer(ReadOnlySpan<byte> request, Span<byte> answer)
    {
        int length = Volatile.Read(ref _server).Answer(request, answer);
        Debug.Assert(length <= answer.Length, "an answer is where there was room for it");
        Interlocked.Increment(ref _requests);
        if (length >= P9.ErrorSize)
        {
            Count(answer[..length]);
        }

        return length;
    }

    /// <inheritdoc cref="IFolderServer.Reset"/>
    public void Reset() => Volatile.Read(ref _server).Reset();

    /// <inheritdoc cref="IFolderServer.Transfer"/>
    public void Transfer(StateStream state) => Volatile.Read(ref _server).Transfer(state);

    /// <summary>Puts another server in the place of the one that is, with what the guest has open; nothing is under way.</summary>
    public void Exchange(IFolderServer next)
    {
        StateStream open = new();
        _server.Transfer(open);
        next.Transfer(new StateStream(open.ToArray()));
        Interlocked.Exchange(ref _server, next).Dispose();
    }

    /// <inheritdoc/>
    public void Dispose() => _server.Dispose();

    private void Count(ReadOnlySpan<byte> answer)
    {
        uint number = BinaryPrimitives.ReadUInt32LittleEndian(answer[P9.HeaderSize..]);
        switch ((P9Request)answer[4])
        {
            case P9Request.ErrorAnswer when IsOfTheHost(number):
                Interlocked.Increment(ref _failures);
                if (Interlocked.Exchange(ref _lastFailure, number) != number)
                {
                    Failed?.Invoke(Describe(number));
                }

                break;
            case P9Request.Read + 1:
                Interlocked.Add(ref _readBytes, number);
                break;
            case P9Request.Write + 1:
                Interlocked.Add(ref _writtenBytes, number);
                break;
        }
    }

    /// <summary>What a host says, in words; null: nothing.</summary>
    public static string? DescribeOrNull(uint error) => error == 0 ? null : Describe(error);

    // What no program of the guest could have avoided: the rest is its own matter, such as a file that is not there.
    private static bool IsOfTheHost(uint error) => error is 5 or 24 or 23 or 28 or 116 or 122;

    private static string Describe(uint error) => error switch
    {
        5 => "the host cannot read or write it (EIO)",
        23 or 24 => "too many files are open on the host (EMFILE)",
        28 => "the host's file system is full (ENOSPC)",
        116 => "what the guest had open is not there any more (ESTALE)",
        122 => "the quota of the host's file system is used up (EDQUOT)",
        _ => $"error {error}",
    };
}
