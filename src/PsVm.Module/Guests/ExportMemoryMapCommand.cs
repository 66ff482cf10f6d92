using System.Diagnostics;
using System.Management.Automation;
using Mono.Unix.Native;
using PsVm.Module.Completion;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Guests;

/// <summary>Draws the RAM of guests as an SVG picture: what is shared with the template, own, discarded, never touched.</summary>
[Cmdlet(VerbsData.Export, "MemoryMap", SupportsShouldProcess = true)]
[OutputType(typeof(FileInfo))]
public sealed class ExportMemoryMapCommand : GuestAndArgumentCmdlet
{
    private static readonly TimeSpan s_shortestInterval = TimeSpan.FromMilliseconds(10);
    private readonly List<GuestReference> _guests = [];
    private string _path = string.Empty;

    /// <summary>The SVG file, whose name ends in .svg.</summary>
    [Parameter(Position = 1)]
    [ValidateNotNullOrEmpty]
    public string Path { get; set; } = string.Empty;

    /// <summary>Bytes of RAM that a cell stands for; doubled until a picture has 100,000 cells at most.</summary>
    [Parameter]
    [Size]
    [ArgumentCompleter(typeof(NothingCompleter))]
    public long CellSize { get; set; } = 2L << 20;

    /// <summary>Records own bytes for that time first, and draws them as a curve.</summary>
    [Parameter]
    [Duration]
    [ArgumentCompleter(typeof(NothingCompleter))]
    public TimeSpan Duration { get; set; }

    /// <summary>Time between two looks at own bytes; a hundredth of Duration when not given.</summary>
    [Parameter]
    [Duration]
    [ArgumentCompleter(typeof(NothingCompleter))]
    public TimeSpan Interval { get; set; }

    /// <summary>Does not replace a file that is there.</summary>
    [Parameter]
    public SwitchParameter NoClobber { get; set; }

    /// <summary>Gives the file.</summary>
    [Parameter]
    public SwitchParameter PassThru { get; set; }

    internal static void Run(
        IReadOnlyList<GuestReference> guests, MapRequest request, IGuestHost host, ICmdletOutput output, CancellationToken cancellation)
    {
        GuestInfo[] found = [.. guests.Select(guest => host.Get(guest, cancellation)).DistinctBy(guest => guest.Id)];
        if (request.NoClobber && File.Exists(request.Path))
        {
            throw new CmdletException(
                ModuleErrorIds.FileExists,
                $"Expected no file at '{request.Path}', found one.",
                request.Path,
                "Leave out -NoClobber to replace it.");
        }

        string of = found is [{ } only] ? $"guest '{only.Name}'" : $"{found.Length} guests";
        if (!output.ShouldProcess(() => $"Draw the RAM of {of} to '{request.Path}'", () => CheckWritable(request.Path)))
        {
            return;
        }

        GuestReference[] references = [.. found.Select(guest => guest.Reference)];
        List<MemoryMapSample> history = Record(references, request, host, output, cancellation);
        long cellSize = MemoryMapPicture.FitCellSize(request.CellSize, [.. found.Select(guest => guest.Memory)]);
        MemoryMapRow[] rows = [.. found.Select(guest => new MemoryMapRow(guest.Name, host.Map(guest.Reference, cellSize, cancellation)))];
        Write(request.Path, new MemoryMapPicture(cellSize, rows, history));
        if (request.PassThru)
        {
            output.WriteObject(AsItem(new FileInfo(request.Path)));
        }
    }

    private protected override string ArgumentName => nameof(Path);

    private protected override CmdletWork? Bind()
    {
        (GuestReference[] guests, string[] path) = Bind(Path);
        _path = CheckedPath(ResolvePath(path[0])!);
        _guests.AddRange(guests);
        return null;
    }

    private protected override CmdletWork? BindEnd()
    {
        if (_guests.Count == 0)
        {
            return null;
        }

        TimeSpan interval = Interval > TimeSpan.Zero ? Interval : Duration / 100;
        MapRequest request = new(
            _path, CheckedCellSize(), Duration, interval < s_shortestInterval ? s_shortestInterval : interval, NoClobber, PassThru);
        return Selection.OnGuests(_guests, (guests, host, output, cancellation) => Run(guests, request, host, output, cancellation));
    }

    // A file that says it is something else opens in the wrong program, or in none.
    private static string CheckedPath(string path) => System.IO.Path.GetExtension(path).Equals(".svg", StringComparison.OrdinalIgnoreCase)
        ? path
        : throw new CmdletException(
            ModuleErrorIds.FileExtensionInvalid,
            $"Expected a path that ends in .svg, which is what is written, found '{path}'.",
            path,
            $"Give '{System.IO.Path.ChangeExtension(path.TrimEnd('/'), ".svg")}'; a browser or rsvg-convert makes other pictures of it.");

    private long CheckedCellSize()
    {
        int pageSize = Environment.SystemPageSize;
        return CellSize > 0 && CellSize % pageSize == 0
            ? CellSize
            : throw new CmdletException(
                ModuleErrorIds.CellSizeInvalid,
                $"Expected -CellSize to be a multiple of the page size of {ByteSize.ToText(pageSize)}, found {CellSize} bytes.",
                null,
                "Give 4KB, 64KB or 2MB, for instance.");
    }

    private static List<MemoryMapSample> Record(
        GuestReference[] guests, MapRequest request, IGuestHost host, ICmdletOutput output, CancellationToken cancellation)
    {
        List<MemoryMapSample> history = [];
        if (request.Duration <= TimeSpan.Zero)
        {
            return history;
        }

        using ProgressTicker progress = new(output, "Recording own bytes", request.Duration);
        var clock = Stopwatch.StartNew();
        while (true)
        {
            TimeSpan now = clock.Elapsed;
            history.Add(new MemoryMapSample(now, host.Measure(guests, detailed: false, cancellation).Sum(guest => guest.OwnBytes)));
            if (now >= request.Duration)
            {
                return history;
            }

            TimeSpan rest = request.Duration - clock.Elapsed;
            TimeSpan pause = rest < request.Interval ? rest : request.Interval;
            if (pause > TimeSpan.Zero && cancellation.WaitHandle.WaitOne(pause))
            {
                cancellation.ThrowIfCancellationRequested();
            }
        }
    }

    // Beside its place first, so that a picture that cannot be written whole replaces none.
    private static void Write(string path, MemoryMapPicture picture)
    {
        string fresh = $"{path}.{Guid.NewGuid():N}.tmp";
        try
        {
            using (FileStream stream = new(fresh, FileMode.CreateNew))
            {
                MemoryMapSvg.Write(stream, picture);
            }

            File.Move(fresh, path, overwrite: true);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            if (File.Exists(fresh))
            {
                File.Delete(fresh);
            }

            throw CannotWrite(path, error.Message, error);
        }
    }

    private static void CheckWritable(string path)
    {
        string folder = System.IO.Path.GetDirectoryName(path) ?? path;
        string? obstacle = Directory.Exists(path) ? "it is a folder"
            : !Directory.Exists(folder) ? $"there is no folder '{folder}'"
            : Syscall.access(folder, AccessModes.W_OK | AccessModes.X_OK) != 0
                ? $"nothing can be made in '{folder}': {Stdlib.GetLastError()}"
            : null;
        if (obstacle is not null)
        {
            throw CannotWrite(path, obstacle, null);
        }
    }

    private static CmdletException CannotWrite(string path, string found, Exception? inner) => new(
        new PsVmError(ModuleErrorIds.FileWriteFailed, $"Expected to write '{path}', found: {found}")
        {
            Target = path,
            RecommendedAction = "Give a path in a folder that exists and that you may write to.",
        },
        inner);

    // With what Get-Item adds, so that cmdlets of PowerShell take the path literally.
    private static PSObject AsItem(FileInfo file)
    {
        const string provider = @"Microsoft.PowerShell.Core\FileSystem::";
        PSObject item = new(file);
        item.Properties.Add(new PSNoteProperty("PSPath", provider + file.FullName));
        item.Properties.Add(new PSNoteProperty("PSParentPath", provider + file.DirectoryName));
        item.Properties.Add(new PSNoteProperty("PSChildName", file.Name));
        item.Properties.Add(new PSNoteProperty("PSIsContainer", false));
        return item;
    }

    /// <summary>What is asked for.</summary>
    /// <param name="Path">The file.</param>
    /// <param name="CellSize">Bytes of a cell.</param>
    /// <param name="Duration">How long own bytes are recorded; zero: not.</param>
    /// <param name="Interval">Time between two looks.</param>
    /// <param name="NoClobber">Replaces no file.</param>
    /// <param name="PassThru">Gives the file.</param>
    internal sealed record MapRequest(string Path, long CellSize, TimeSpan Duration, TimeSpan Interval, bool NoClobber, bool PassThru);
}
