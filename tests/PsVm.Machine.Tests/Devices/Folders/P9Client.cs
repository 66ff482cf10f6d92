using System.Buffers.Binary;
using System.Text;
using PsVm.Machine.Devices.Folders;

namespace PsVm.Machine.Tests.Devices.Folders;

/// <summary>Asks a folder server, as a guest's driver does.</summary>
internal sealed class P9Client(IFolderServer server)
{
    private const ushort Tag = 7;

    private readonly byte[] _answer = new byte[server.MostMessage];

    /// <summary>What a version and an attach have agreed on.</summary>
    public static P9Client Mount(IFolderServer server, uint root = 0, uint messageSize = 512 << 10)
    {
        P9Client client = new(server);
        client.Version(messageSize);
        client.Attach(root);
        return client;
    }

    /// <summary>errno of what fails; 0: it does not.</summary>
    public static int ErrorOf(Action request)
    {
        try
        {
            request();
            return 0;
        }
        catch (P9Exception refused)
        {
            return refused.Error;
        }
    }

    public uint Version(uint messageSize = 512 << 10, string version = "9P2000.L") =>
        BinaryPrimitives.ReadUInt32LittleEndian(Ask(P9Request.Version, new P9Message().Int(messageSize).Text(version)));

    public Qid Attach(uint fid, string place = "") =>
        QidAt(Ask(P9Request.Attach, new P9Message().Int(fid).Int(P9.NoFid).Text("root").Text(place).Int(0)));

    public Qid[] Walk(uint fid, uint newFid, params string[] names)
    {
        P9Message message = new P9Message().Int(fid).Int(newFid).Short((ushort)names.Length);
        Array.ForEach(names, name => message.Text(name));
        ReadOnlySpan<byte> answer = Ask(P9Request.Walk, message);
        Qid[] found = new Qid[BinaryPrimitives.ReadUInt16LittleEndian(answer)];
        for (int i = 0; i < found.Length; i++)
        {
            found[i] = QidAt(answer[(2 + (i * P9.QidSize))..]);
        }

        return found;
    }

    public void Clunk(uint fid) => Ask(P9Request.Clunk, new P9Message().Int(fid));

    public void Remove(uint fid) => Ask(P9Request.Remove, new P9Message().Int(fid));

    public Qid Open(uint fid, uint flags = 0) => QidAt(Ask(P9Request.Open, new P9Message().Int(fid).Int(flags)));

    public Qid Create(uint fid, string name, uint flags = P9.ReadWrite, uint mode = 0x1a4) =>
        QidAt(Ask(P9Request.Create, new P9Message().Int(fid).Text(name).Int(flags).Int(mode).Int(0)));

    public byte[] Read(uint fid, ulong offset, uint count)
    {
        ReadOnlySpan<byte> answer = Ask(P9Request.Read, new P9Message().Int(fid).Long(offset).Int(count));
        Assert.Equal(answer.Length - sizeof(uint), (int)BinaryPrimitives.ReadUInt32LittleEndian(answer));
        return answer[sizeof(uint)..].ToArray();
    }

    public uint Write(uint fid, ulong offset, ReadOnlySpan<byte> bytes) => BinaryPrimitives.ReadUInt32LittleEndian(
        Ask(P9Request.Write, new P9Message().Int(fid).Long(offset).Int((uint)bytes.Length).Bytes(bytes)));

    public void Flush(uint fid) => Ask(P9Request.Flush, new P9Message().Int(fid).Int(0));

    public P9Attributes GetAttributes(uint fid)
    {
        ReadOnlySpan<byte> answer = Ask(P9Request.GetAttributes, new P9Message().Int(fid).Long(P9.BasicAttributes));
        P9Reader reader = new(answer);
        P9Attributes attributes = new(
            reader.Long(),
            new Qid(reader.Byte(), reader.Int(), reader.Long()),
            reader.Int(),
            reader.Int(),
            reader.Int(),
            reader.Long(),
            reader.Long(),
            reader.Long(),
            reader.Long(),
            reader.Long(),
            reader.Long(),
            reader.Long(),
            reader.Long());
        _ = reader.Bytes(8 * 7);
        Assert.True(reader.IsWhole);
        return attributes;
    }

    public void SetAttributes(
        uint fid,
        uint valid,
        uint mode = 0,
        uint user = 0,
        uint group = 0,
        ulong size = 0,
        ulong accessed = 0,
        ulong modified = 0) =>
        Ask(P9Request.SetAttributes, new P9Message().Int(fid).Int(valid).Int(mode).Int(user).Int(group).Long(size)
            .Long(accessed).Long(0).Long(modified).Long(0));

    public Qid MakeFolder(uint fid, string name, uint mode = 0x1ed) =>
        QidAt(Ask(P9Request.MakeFolder, new P9Message().Int(fid).Text(name).Int(mode).Int(0)));

    public Qid MakeNode(uint fid, string name, uint mode) =>
        QidAt(Ask(P9Request.MakeNode, new P9Message().Int(fid).Text(name).Int(mode).Int(1).Int(3).Int(0)));

    public Qid MakeLink(uint fid, string name, string target) =>
        QidAt(Ask(P9Request.Symlink, new P9Message().Int(fid).Text(name).Text(target).Int(0)));

    public string ReadLink(uint fid)
    {
        P9Reader reader = new(Ask(P9Request.ReadLink, new P9Message().Int(fid)));
        return Encoding.UTF8.GetString(reader.Text());
    }

    public void AddName(uint folder, uint fid, string name) => Ask(P9Request.Link, new P9Message().Int(folder).Int(fid).Text(name));

    public void Rename(uint fid, uint folder, string name) => Ask(P9Request.Rename, new P9Message().Int(fid).Int(folder).Text(name));

    public void RenameAt(uint folder, string name, uint newFolder, string newName) =>
        Ask(P9Request.RenameAt, new P9Message().Int(folder).Text(name).Int(newFolder).Text(newName));

    public void Unlink(uint folder, string name, uint flags = 0) =>
        Ask(P9Request.UnlinkAt, new P9Message().Int(folder).Text(name).Int(flags));

    /// <summary>All names of an open folder, as many at once as have room in so many bytes.</summary>
    public List<P9Entry> ReadFolder(uint fid, uint count = 64 << 10)
    {
        List<P9Entry> entries = [];
        for (ulong offset = 0; ;)
        {
            P9Reader reader = new(Ask(P9Request.ReadFolder, new P9Message().Int(fid).Long(offset).Int(count)));
            uint length = reader.Int();
            Assert.True(length <= count);
            if (length == 0)
            {
                return entries;
            }

            while (!reader.IsWhole)
            {
                Qid qid = new(reader.Byte(), reader.Int(), reader.Long());
                P9Entry entry = new(qid, reader.Long(), reader.Byte(), Encoding.UTF8.GetString(reader.Text()));
                entries.Add(entry);
                offset = entry.Offset;
            }
        }
    }

    /// <summary>A file's content by its path; the fid is used meanwhile.</summary>
    public string ReadText(uint root, uint fid, params string[] names)
    {
        Walk(root, fid, names);
        try
        {
            Open(fid);
            return Encoding.UTF8.GetString(Read(fid, 0, 64 << 10));
        }
        finally
        {
            Clunk(fid);
        }
    }

    /// <summary>What is behind the header of the answer.</summary>
    /// <exception cref="P9Exception">It is an error.</exception>
    public ReadOnlySpan<byte> Ask(P9Request kind, P9Message message) => Ask(message.Finish((byte)kind, Tag));

    /// <inheritdoc cref="Ask(P9Request, P9Message)"/>
    public ReadOnlySpan<byte> Ask(ReadOnlySpan<byte> request)
    {
        int length = server.Answer(request, _answer);
        Assert.InRange(length, P9.HeaderSize, _answer.Length);
        Assert.Equal(length, BinaryPrimitives.ReadInt32LittleEndian(_answer));
        Assert.Equal(BinaryPrimitives.ReadUInt16LittleEndian(request[5..]), BinaryPrimitives.ReadUInt16LittleEndian(_answer.AsSpan(5)));
        if (_answer[4] == (byte)P9Request.ErrorAnswer)
        {
            Assert.Equal(P9.ErrorSize, length);
            throw new P9Exception(BinaryPrimitives.ReadInt32LittleEndian(_answer.AsSpan(P9.HeaderSize)));
        }

        Assert.Equal(request[4] + 1, _answer[4]);
        return _answer.AsSpan(P9.HeaderSize, length - P9.HeaderSize);
    }

    private static Qid QidAt(ReadOnlySpan<byte> bytes)
    {
        P9Reader reader = new(bytes);
        return new Qid(reader.Byte(), reader.Int(), reader.Long());
    }
}

/// <summary>An error that a server answered with.</summary>
internal sealed class P9Exception(int error) : Exception($"errno {error}")
{
    public int Error => error;
}

/// <summary>What a server says of an object.</summary>
internal sealed record P9Attributes(
    ulong Valid,
    Qid Qid,
    uint Mode,
    uint User,
    uint Group,
    ulong Links,
    ulong OfDevice,
    ulong Size,
    ulong BlockSize,
    ulong Blocks,
    ulong Accessed,
    ulong AccessedNanoseconds,
    ulong Modified);

/// <summary>An entry of a folder.</summary>
internal sealed record P9Entry(Qid Qid, ulong Offset, byte Type, string Name);
