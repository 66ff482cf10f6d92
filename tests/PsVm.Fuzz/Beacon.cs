using System.IO.MemoryMappedFiles;

namespace PsVm.Fuzz;

/// <summary>
/// The number of the case at hand, in a file that is mapped by the process that runs cases and by the one that watches it: what was
/// written last is there whatever way the first process ends.
/// </summary>
internal sealed class Beacon : IDisposable
{
    /// <summary>No case yet.</summary>
    public const long SettingUp = -1;

    private readonly MemoryMappedFile _file;
    private readonly MemoryMappedViewAccessor _view;

    public Beacon(string path)
    {
        _file = MemoryMappedFile.CreateFromFile(path, FileMode.OpenOrCreate, null, sizeof(long));
        _view = _file.CreateViewAccessor();
    }

    public long Case
    {
        get => _view.ReadInt64(0);
        set => _view.Write(0, value);
    }

    public void Dispose()
    {
        _view.Dispose();
        _file.Dispose();
    }
}
