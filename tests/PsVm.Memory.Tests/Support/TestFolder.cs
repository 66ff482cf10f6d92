namespace PsVm.Memory.Tests.Support;

/// <summary>A folder of a test's own, deleted afterwards.</summary>
internal sealed class TestFolder : IDisposable
{
    public TestFolder()
    {
        Path = Directory.CreateTempSubdirectory("psvm-test-").FullName;

        // Other users of the tests have to get in.
        System.IO.File.SetUnixFileMode(Path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute
            | UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute);
    }

    public string Path { get; }

    public string In(string name) => System.IO.Path.Combine(Path, name);

    /// <summary>A file of so many bytes, each the same.</summary>
    public string File(string name, long size, byte content = Fill)
    {
        using var stream = System.IO.File.Create(In(name));
        var page = new byte[4096];
        page.AsSpan().Fill(content);
        for (var written = 0L; written < size; written += page.Length)
        {
            stream.Write(page, 0, (int)Math.Min(page.Length, size - written));
        }

        return In(name);
    }

    /// <summary>What test files hold.</summary>
    public const byte Fill = (byte)'F';

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
