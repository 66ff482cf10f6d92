using System.Buffers.Binary;
using System.Text;
using Mono.Unix.Native;
using PsVm.Machine.Devices.Folders;
using PsVm.Machine.Tests.Devices.Folders;
using PsVm.Memory.Native;
using PsVm.Riscv.Tests;

namespace PsVm.Fuzz.Targets;

/// <summary>
/// Requests of a guest to a shared folder, sane ones and such as no driver sends, while the host replaces, moves and removes what is
/// shared: each is answered within its room, nothing outside of the folder is read or changed, and no more fids, names and descriptors are
/// held than may be.
/// </summary>
internal sealed class FolderTarget : FuzzTarget
{
    private const int MostRequests = 40, AnswerSize = 16 << 10, MostMoved = 4, CasesPerLook = 512;
    private const string Canary = "canary of the host, which no guest may see";

    private static readonly FolderLimits s_limits = new(MostFids: 12, MostNames: 24, MostDescriptors: 3);

    private static readonly string[] s_names =
    [
        "file", "file", "sub", "sub", "deep", "other", "new", "fifo", "out", "absolute", "inside", "canary", "outside", "..", "..", ".", "",
        "/", "sub/file", "../outside", "file\0", "/etc/passwd", "proc", "\uff0e\uff0e", new string('n', 255), new string('n', 256),
    ];

    private static readonly P9Request[] s_usual =
        [P9Request.Walk, P9Request.Walk, P9Request.Open, P9Request.Create, P9Request.Read, P9Request.Clunk];

    private static readonly uint[] s_flags = [0, 0, P9.WriteOnly, P9.ReadWrite, P9.Truncate | P9.ReadWrite, P9.Exclusive | P9.ReadWrite];

    // A guest's mistakes are answered with these, and no others.
    private static readonly HashSet<int> s_errors =
        [1, 2, 5, 6, 9, 12, 13, 16, 17, 18, 20, 21, 22, 24, 26, 27, 28, 30, 31, 36, 39, 40, 71, 75, 84, 90, 95, 116];

    private readonly string _base =
        Path.Combine(Directory.Exists("/dev/shm") ? "/dev/shm" : Path.GetTempPath(), $"psvm-fuzz-{Guid.NewGuid():n}");

    private readonly FolderServer _server, _readOnly;
    private readonly byte[] _answer = new byte[AnswerSize];
    private readonly byte[] _canary = Encoding.UTF8.GetBytes(Canary);
    private readonly int _baseDescriptor;
    private bool _isDirty = true;
    private int _cases, _descriptors;

    public FolderTarget()
    {
        Directory.CreateDirectory(Share);
        Directory.CreateDirectory(Outside);
        File.WriteAllText(Path.Combine(Outside, "canary"), Canary);
        File.SetLastWriteTimeUtc(Path.Combine(Outside, "canary"), DateTime.UnixEpoch);
        File.SetLastWriteTimeUtc(Outside, DateTime.UnixEpoch);
        _baseDescriptor = BeneathCalls.FindRoot(_base);
        _server = FolderServer.Open(Share, isReadOnly: false, SharedFolderOwners.Root, s_limits);
        _readOnly = FolderServer.Open(Share, isReadOnly: true, SharedFolderOwners.Host, s_limits);
    }

    private string Share => Path.Combine(_base, "share");

    private string Outside => Path.Combine(_base, "outside");

    public override void Run(Dice dice)
    {
        Lay();
        FolderServer server = dice.OneIn(8) ? _readOnly : _server;
        bool changes = server == _server;
        server.Reset();
        Ask(server, new P9Message().Int(AnswerSize).Text(P9.Version).Finish((byte)P9Request.Version, ushort.MaxValue), AnswerSize);
        Ask(server, new P9Message().Int(0).Int(P9.NoFid).Text("").Text("").Int(0).Finish((byte)P9Request.Attach, 0), AnswerSize);
        for (int i = dice.Next(1, MostRequests); i > 0; i--)
        {
            if (dice.OneIn(12))
            {
                _isDirty = true;
                DoAsHost(dice);
            }

            byte[] request = Request(dice, out P9Request kind);
            request = dice.OneIn(10) ? Odd.Mutate(dice, request) : request;
            int room = dice.OneIn(10) ? dice.Next(AnswerSize + 1) : AnswerSize;
            bool looks = kind is P9Request.Walk or P9Request.Read or P9Request.ReadFolder or P9Request.GetAttributes;
            _isDirty |= Ask(server, request, room) && changes && !looks;
            (int fids, int descriptors, int names) = server.Counts;
            WrongException.ThrowIfNot(
                fids <= s_limits.MostFids && descriptors <= s_limits.MostDescriptors && names <= s_limits.MostNames,
                $"{fids} fids, {descriptors} descriptors, {names} names");
        }

        server.Reset();
        WrongException.ThrowIfNot(server.Counts == (0, 0, 0), $"{server.Counts} are left after a reset");
        CheckOutside();
        if (++_cases % CasesPerLook == 0)
        {
            // The runtime has some of its own, and comes to have them while the first cases run.
            int now = CountDescriptors();
            _descriptors = _descriptors == 0 ? now + 8 : _descriptors;
            WrongException.ThrowIfNot(now <= _descriptors, $"{now} descriptors are open, there were {_descriptors - 8}");
        }
    }

    public override void Dispose()
    {
        _server.Dispose();
        _readOnly.Dispose();
        BeneathCalls.Close(_baseDescriptor);
        Wipe(Path.GetDirectoryName(_base)!, Path.GetFileName(_base));
    }

    private static int CountDescriptors() => Directory.GetFileSystemEntries("/proc/self/fd").Length;

    /// <summary>Sends a request, and looks at the answer.</summary>
    /// <returns>It was done.</returns>
    private bool Ask(FolderServer server, byte[] request, int room)
    {
        int length = server.Answer(request, _answer.AsSpan(0, room));
        if (length == 0)
        {
            WrongException.ThrowIfNot(room < P9.ErrorSize || request.Length < P9.HeaderSize, "there is no answer, but room for one");
            return false;
        }

        WrongException.ThrowIfNot(
            length >= P9.HeaderSize && length <= room && BinaryPrimitives.ReadInt32LittleEndian(_answer) == length,
            $"an answer of {length} bytes in {room}");
        WrongException.ThrowIfNot(_answer.AsSpan(5, 2).SequenceEqual(request.AsSpan(5, 2)), "another tag");
        WrongException.ThrowIfNot(_answer.AsSpan(0, length).IndexOf(_canary) < 0, "what is outside was read");
        if (_answer[4] == (byte)P9Request.ErrorAnswer && request[4] != (byte)P9Request.ErrorAnswer - 1)
        {
            int error = BinaryPrimitives.ReadInt32LittleEndian(_answer.AsSpan(P9.HeaderSize));
            WrongException.ThrowIfNot(
                length == P9.ErrorSize && s_errors.Contains(error),
                $"errno {error} in answer to {(P9Request)request[4]}");
            return false;
        }

        WrongException.ThrowIfNot(_answer[4] == request[4] + 1, $"an answer of kind {_answer[4]} to {request[4]}");
        return true;
    }

    private static byte[] Request(Dice dice, out P9Request kind)
    {
        kind = dice.Pick(Enum.GetValues<P9Request>());
        kind = dice.OneIn(3) ? dice.Pick(s_usual) : kind;
        P9Message message = new();
        switch (kind)
        {
            case P9Request.Version:
                message.Int(dice.OneIn(2) ? AnswerSize : (uint)Odd.Number(dice)).Text(dice.OneIn(4) ? "9P2000"u8 : P9.Version);
                break;
            case P9Request.Attach:
                message.Int(Fid(dice)).Int(dice.OneIn(4) ? Fid(dice) : P9.NoFid).Text(Name(dice))
                    .Text(dice.OneIn(4) ? Name(dice) : "").Int(0);
                break;
            case P9Request.Walk:
                int count = dice.Next(dice.OneIn(8) ? 18 : 4);
                message.Int(Fid(dice)).Int(Fid(dice)).Short((ushort)count);
                for (int i = 0; i < count; i++)
                {
                    message.Text(Name(dice));
                }

                break;
            case P9Request.Open:
                message.Int(Fid(dice)).Int(Flags(dice));
                break;
            case P9Request.Create:
                message.Int(Fid(dice)).Text(Name(dice)).Int(Flags(dice)).Int(Mode(dice)).Int(0);
                break;
            case P9Request.Read or P9Request.ReadFolder:
                message.Int(Fid(dice)).Long(Place(dice)).Int(dice.OneIn(4) ? (uint)Odd.Number(dice) : (uint)dice.Next(AnswerSize));
                break;
            case P9Request.Write:
                byte[] bytes = new byte[dice.Next(200)];
                message.Int(Fid(dice)).Long(Place(dice)).Int((uint)bytes.Length).Bytes(bytes);
                break;
            case P9Request.SetAttributes:
                message.Int(Fid(dice)).Int(dice.OneIn(2) ? 1u << dice.Next(9) : (uint)Odd.Number(dice)).Int(Mode(dice))
                    .Int((uint)dice.Next(-1, 2)).Int((uint)dice.Next(-1, 2)).Long(Place(dice))
                    .Long(Odd.Number(dice)).Long(Odd.Number(dice)).Long(Odd.Number(dice)).Long(Odd.Number(dice));
                break;
            case P9Request.MakeFolder:
                message.Int(Fid(dice)).Text(Name(dice)).Int(Mode(dice)).Int(0);
                break;
            case P9Request.MakeNode:
                message.Int(Fid(dice)).Text(Name(dice)).Int(Mode(dice)).Int(1).Int(3).Int(0);
                break;
            case P9Request.Symlink:
                message.Int(Fid(dice)).Text(Name(dice)).Text(dice.Pick(["../outside", "..", "/", "sub", "file", ""])).Int(0);
                break;
            case P9Request.Link:
                message.Int(Fid(dice)).Int(Fid(dice)).Text(Name(dice));
                break;
            case P9Request.Rename:
                message.Int(Fid(dice)).Int(Fid(dice)).Text(Name(dice));
                break;
            case P9Request.RenameAt:
                message.Int(Fid(dice)).Text(Name(dice)).Int(Fid(dice)).Text(Name(dice));
                break;
            case P9Request.UnlinkAt:
                message.Int(Fid(dice)).Text(Name(dice)).Int(dice.OneIn(2) ? P9.RemoveFolder : dice.OneIn(4) ? (uint)Odd.Number(dice) : 0);
                break;
            case P9Request.GetAttributes:
                message.Int(Fid(dice)).Long(P9.BasicAttributes);
                break;
            case P9Request.Flush:
                message.Int(Fid(dice)).Int(1);
                break;
            case P9Request.Lock:
                message.Int(Fid(dice)).Byte(1).Int(0).Long(0).Long(0).Int(1).Text("guest");
                break;
            case P9Request.GetLock:
                message.Int(Fid(dice)).Byte(1).Long(0).Long(0).Int(1).Text("guest");
                break;
            case P9Request.FlushRequest:
                message.Short((ushort)dice.Next(1 << 16));
                break;
            default:
                message.Int(Fid(dice));
                break;
        }

        return message.Finish((byte)(dice.OneIn(60) ? dice.Next(256) : (int)kind), (ushort)dice.Next(1 << 16));
    }

    private static uint Fid(Dice dice) => dice.OneIn(20) ? (uint)Odd.Number(dice) : (uint)dice.Next(6);

    private static string Name(Dice dice) => dice.Pick(s_names);

    private static uint Flags(Dice dice) =>
        dice.OneIn(8) ? (uint)Odd.Number(dice) : dice.Pick(s_flags);

    // Files of any length are made by writing behind the end; they take no room.
    private static ulong Place(Dice dice) => dice.OneIn(4) ? Odd.Number(dice) : (ulong)dice.Next(3000);

    private static uint Mode(Dice dice) => dice.OneIn(2) ? (uint)dice.Next(1 << 16) : 0x1ff;

    /// <summary>What somebody on the host does meanwhile.</summary>
    private void DoAsHost(Dice dice)
    {
        string one = Path.Combine(Share, dice.Pick(["file", "sub", "sub/file", "sub/deep", "new", "inside", "out"]));
        string other = Path.Combine(Share, dice.Pick(["file", "sub", "sub/file", "sub/deep", "new", "inside", "out"]));

        // He follows no link that leads outside.
        if (IsLink(Path.GetDirectoryName(one)!) || IsLink(Path.GetDirectoryName(other)!))
        {
            return;
        }

        switch (dice.Next(6))
        {
            case 0:
                _ = KernelCalls.Swap(one, other);
                break;
            case 1:
                _ = Syscall.rename(one, Path.Combine(_base, $"moved{dice.Next(MostMoved)}"));
                break;
            case 2:
                _ = Syscall.rename(Path.Combine(_base, $"moved{dice.Next(MostMoved)}"), one);
                break;
            case 3:
                _ = Syscall.unlink(one);
                _ = Syscall.symlink(Outside, one);
                break;
            case 4 when !IsLink(one):
                _ = Syscall.truncate(one, dice.Next(2000));
                break;
            default:
                _ = Syscall.unlink(one);
                break;
        }
    }

    /// <summary>Lays the folder out as each case finds it.</summary>
    private void Lay()
    {
        if (!_isDirty)
        {
            return;
        }

        _isDirty = false;
        for (int i = 0; i < MostMoved; i++)
        {
            Remove(_baseDescriptor, Encoding.UTF8.GetBytes($"moved{i}\0"));
        }

        Empty(_baseDescriptor, "share\0"u8);
        Directory.CreateDirectory(Path.Combine(Share, "sub/deep"));
        File.WriteAllBytes(Path.Combine(Share, "file"), new byte[1000]);
        File.WriteAllText(Path.Combine(Share, "sub/file"), "shared");
        File.WriteAllText(Path.Combine(Share, "sub/deep/file"), "shared");
        _ = Syscall.symlink("../outside", Path.Combine(Share, "out"));
        _ = Syscall.symlink(Outside, Path.Combine(Share, "absolute"));
        _ = Syscall.symlink("sub", Path.Combine(Share, "inside"));
        _ = Syscall.mkfifo(Path.Combine(Share, "fifo"), (FilePermissions)0x1b6);
    }

    // Names that guests make are bytes, and no text that .NET knows.
    private static void Remove(int folder, ReadOnlySpan<byte> name)
    {
        if (BeneathCalls.Remove(folder, name, isFolder: false) < 0)
        {
            Empty(folder, name);
            _ = BeneathCalls.Remove(folder, name, isFolder: true);
        }
    }

    private static void Empty(int folder, ReadOnlySpan<byte> name)
    {
        const int nameAt = 19; // of struct linux_dirent64
        int found = BeneathCalls.Find(folder, name);
        if (found < 0)
        {
            return;
        }

        _ = BeneathCalls.SetMode(found, 0x1ed);
        int opened = BeneathCalls.Open(found, 0);
        BeneathCalls.Close(found);
        byte[] entries = new byte[8 << 10];
        for (int length; (length = BeneathCalls.ReadFolder(opened, entries)) > 0;)
        {
            for (Span<byte> rest = entries.AsSpan(0, length); rest.Length > nameAt;)
            {
                ReadOnlySpan<byte> below = rest[nameAt..];
                rest = rest[BinaryPrimitives.ReadUInt16LittleEndian(rest[16..])..];
                below = below[..(below.IndexOf((byte)0) + 1)];
                if (!below.SequenceEqual(".\0"u8) && !below.SequenceEqual("..\0"u8))
                {
                    Remove(opened, below);
                }
            }
        }

        BeneathCalls.Close(opened);
    }

    private static void Wipe(string folder, string name)
    {
        int descriptor = BeneathCalls.FindRoot(folder);
        Remove(descriptor, Encoding.UTF8.GetBytes(name + '\0'));
        BeneathCalls.Close(descriptor);
    }

    private static bool IsLink(string path) => new FileInfo(path).LinkTarget is not null;

    private void CheckOutside()
    {
        string canary = Path.Combine(Outside, "canary");
        WrongException.ThrowIfNot(
            Syscall.lstat(canary, out Stat file) == 0 && Syscall.lstat(Outside, out Stat folder) == 0
            && (file.st_size, file.st_mtime, file.st_nlink, folder.st_mtime) == (_canary.Length, 0, 1ul, 0),
            "what is outside was changed");
    }
}
