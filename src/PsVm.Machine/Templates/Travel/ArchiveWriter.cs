using System.Formats.Tar;
using Microsoft.Win32.SafeHandles;
using PsVm.Memory.Mapping;
using ZstdSharp;
using ZstdSharp.Unsafe;

namespace PsVm.Machine.Templates.Travel;

/// <summary>Writes a tar archive, compressed with zstd on all CPUs.</summary>
internal sealed class ArchiveWriter : IDisposable
{
    private const int OutputSize = 1 << 20;

    private readonly CompressionStream _zstd;
    private readonly TarWriter _tar;
    private readonly UnixFileMode _mode;
    private readonly DateTimeOffset _time;

    /// <param name="file">The archive, which stays open.</param>
    /// <param name="level">Level of zstd.</param>
    /// <param name="mode">Permissions of all entries.</param>
    /// <param name="time">Time of all entries.</param>
    public ArchiveWriter(Stream file, int level, UnixFileMode mode, DateTimeOffset time)
    {
        _mode = mode;
        _time = time;
        _zstd = new CompressionStream(file, level, OutputSize, leaveOpen: true);
        _zstd.SetParameter(ZSTD_cParameter.ZSTD_c_checksumFlag, 1);
        _zstd.SetParameter(ZSTD_cParameter.ZSTD_c_nbWorkers, Environment.ProcessorCount);
        _tar = new TarWriter(_zstd, TarEntryFormat.Pax, leaveOpen: true);
    }

    /// <summary>Levels that there are.</summary>
    public static (int Least, int Most) Levels => (1, Compressor.MaxCompressionLevel);

    /// <summary>Writes a small file.</summary>
    public void Write(string name, byte[] content)
    {
        using MemoryStream stream = new(content);
        Write(name, new Dictionary<string, string>(), stream);
    }

    /// <summary>Writes a part of a file, of which only the data is stored.</summary>
    /// <param name="folder">Its folder in the archive.</param>
    /// <param name="name">Its name.</param>
    /// <param name="file">The file.</param>
    /// <param name="start">Where the part begins, in bytes.</param>
    /// <param name="size">Bytes of the part.</param>
    /// <param name="data">Data in it.</param>
    /// <param name="advance">Told of bytes of data that are done with.</param>
    /// <param name="cancellation">Gives up.</param>
    public void WriteSparse(
        string folder,
        string name,
        SafeFileHandle file,
        long start,
        long size,
        IReadOnlyList<PageRange> data,
        Action<long> advance,
        CancellationToken cancellation)
    {
        using SparseContent stream = new(file, start, size, data, advance, cancellation);
        Dictionary<string, string> attributes = new()
        {
            ["GNU.sparse.major"] = "1",
            ["GNU.sparse.minor"] = "0",
            ["GNU.sparse.name"] = $"{folder}/{name}",
            ["GNU.sparse.realsize"] = $"{size}",
        };
        Write($"{folder}/GNUSparseFile.0/{name}", attributes, stream);
    }

    /// <summary>Writes the end; without it the archive is cut short.</summary>
    public void Finish()
    {
        _tar.Dispose();
        _zstd.Dispose();
    }

    /// <summary>Releases what compresses; what is not finished is of no use.</summary>
    public void Dispose()
    {
        try
        {
            Finish();
        }
        catch (IOException)
        {
            // It has been told of when it came first.
        }
    }

    private void Write(string name, IReadOnlyDictionary<string, string> attributes, Stream content) =>
        _tar.WriteEntry(
            new PaxTarEntry(TarEntryType.RegularFile, name, attributes) { DataStream = content, Mode = _mode, ModificationTime = _time });
}
