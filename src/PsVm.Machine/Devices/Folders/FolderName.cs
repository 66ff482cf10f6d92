namespace PsVm.Machine.Devices.Folders;

/// <summary>Names in folders, which are bytes.</summary>
internal static class FolderName
{
    /// <summary>It is a name of something in a folder, and of nothing else.</summary>
    public static bool IsOne(ReadOnlySpan<byte> name) =>
        name.Length is > 0 and <= P9.MostName
        && !name.ContainsAny((byte)'/', (byte)0)
        && name is not ([(byte)'.'] or [(byte)'.', (byte)'.']);

    /// <summary>errno for what is none.</summary>
    public static int Describe(ReadOnlySpan<byte> name) => name.Length > P9.MostName ? P9Error.NameTooLong : P9Error.Invalid;

    /// <summary>Puts a NUL behind a name.</summary>
    public static ReadOnlySpan<byte> Terminate(ReadOnlySpan<byte> name, Span<byte> to)
    {
        name.CopyTo(to);
        to[name.Length] = 0;
        return to[..(name.Length + 1)];
    }

    /// <summary>Takes the last name of a path away; a dot stays.</summary>
    /// <returns>Bytes of what is left.</returns>
    public static int TakeLast(Span<byte> path, int length)
    {
        int slash = path[..length].LastIndexOf((byte)'/');
        if (slash >= 0)
        {
            return slash;
        }

        path[0] = (byte)'.';
        return 1;
    }

    /// <summary>Puts a name behind a path, for which a dot is nothing.</summary>
    /// <returns>False: there is no room for it and a NUL.</returns>
    public static bool TryAppend(Span<byte> path, ref int length, ReadOnlySpan<byte> name)
    {
        int at = length == 1 && path[0] == (byte)'.' ? 0 : length + 1;
        if (at + name.Length + 1 > path.Length)
        {
            return false;
        }

        if (at > 0)
        {
            path[at - 1] = (byte)'/';
        }

        name.CopyTo(path[at..]);
        length = at + name.Length;
        return true;
    }
}
