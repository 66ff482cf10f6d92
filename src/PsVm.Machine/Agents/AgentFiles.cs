using System.Text.Json;

namespace PsVm.Machine.Agents;

/// <summary>Copies files between host and guest, by the agent's requests for files, a piece after the other.</summary>
internal static class AgentFiles
{
    // What both agents take and give at once, as base64 in a request of our agent's size.
    private const int Piece = 48 << 10;

    /// <inheritdoc cref="IGuestAgents.CopyToAsync"/>
    public static async Task<long> CopyToAsync(GuestAgent agent, string guest, string hostPath, string guestPath, CancellationToken cancellation)
    {
        FileStream file = OpenToRead(guest, hostPath);
        await using (file.ConfigureAwait(false))
        {
            long handle = await OpenAsync(agent, guestPath, "w", cancellation).ConfigureAwait(false);
            long copied = 0;
            try
            {
                byte[] bytes = new byte[Piece];
                int count;
                while ((count = await ReadAsync(guest, file, bytes, cancellation).ConfigureAwait(false)) > 0)
                {
                    int done = 0;
                    while (done < count)
                    {
                        ReadOnlyMemory<byte> rest = bytes.AsMemory(done, count - done);
                        JsonElement answer = await agent.AskAsync(
                            "guest-file-write",
                            writer =>
                            {
                                writer.WriteNumber("handle", handle);
                                writer.WriteBase64String("buf-b64", rest.Span);
                            },
                            cancellation).ConfigureAwait(false);
                        done += (int)AgentNumbers.Of(agent, answer, "count", 1, rest.Length);
                    }

                    copied += count;
                }

                await agent.AskAsync("guest-file-flush", writer => writer.WriteNumber("handle", handle), cancellation).ConfigureAwait(false);
            }
            finally
            {
                await CloseAsync(agent, handle).ConfigureAwait(false);
            }

            return copied;
        }
    }

    /// <inheritdoc cref="IGuestAgents.CopyFromAsync"/>
    public static async Task<long> CopyFromAsync(
        GuestAgent agent, string guest, string guestPath, string hostPath, long most, CancellationToken cancellation)
    {
        long handle = await OpenAsync(agent, guestPath, "r", cancellation).ConfigureAwait(false);
        string partial = $"{hostPath}.{Guid.NewGuid():n}.partial";
        try
        {
            long copied = 0;
            FileStream file = Do(guest, hostPath, () => new FileStream(partial, FileMode.CreateNew, FileAccess.Write, FileShare.None, bufferSize: 0));
            await using (file.ConfigureAwait(false))
            {
                while (true)
                {
                    JsonElement answer = await agent.AskAsync(
                        "guest-file-read",
                        writer =>
                        {
                            writer.WriteNumber("handle", handle);
                            writer.WriteNumber("count", Piece);
                        },
                        cancellation).ConfigureAwait(false);
                    long count = AgentNumbers.Of(agent, answer, "count", 0, Piece);
                    if (count == 0)
                    {
                        break;
                    }

                    // As many as it says: else nothing bounds how often it is asked.
                    byte[] bytes = answer.TryGetProperty("buf-b64", out JsonElement data) && data.ValueKind == JsonValueKind.String
                        && data.TryGetBytesFromBase64(out byte[]? found) && found.Length == count
                            ? found
                            : throw agent.Garbled($"{count} bytes in base64", answer);
                    copied += bytes.Length;
                    if (copied > most)
                    {
                        throw AgentErrors.CopyFailed(
                            guest, $"at most {most} bytes in '{VisibleText.Of(guestPath)}' of guest '{guest}'", "more", "Copy a file that has an end.");
                    }

                    Do(guest, hostPath, () =>
                    {
                        file.Write(bytes);
                        return 0;
                    });
                }
            }

            Do(guest, hostPath, () =>
            {
                File.Move(partial, hostPath, overwrite: true);
                return 0;
            });
            return copied;
        }
        finally
        {
            Delete(partial);
            await CloseAsync(agent, handle).ConfigureAwait(false);
        }
    }

    private static async Task<long> OpenAsync(GuestAgent agent, string path, string mode, CancellationToken cancellation)
    {
        JsonElement answer = await agent.AskAsync(
            "guest-file-open",
            writer =>
            {
                writer.WriteString("path", path);
                writer.WriteString("mode", mode);
            },
            cancellation).ConfigureAwait(false);
        return AgentNumbers.Of(agent, answer);
    }

    private static Task CloseAsync(GuestAgent agent, long handle) =>
        agent.EndAsync("guest-file-close", writer => writer.WriteNumber("handle", handle));

    private static FileStream OpenToRead(string guest, string path) => Do(guest, path, () => new FileStream(path, FileMode.Open, FileAccess.Read));

    private static async Task<int> ReadAsync(string guest, FileStream file, byte[] bytes, CancellationToken cancellation)
    {
        try
        {
            return await file.ReadAsync(bytes, cancellation).ConfigureAwait(false);
        }
        catch (IOException failure)
        {
            throw AgentErrors.CopyFailed(guest, $"to read '{file.Name}'", failure.Message, "See that the host's file can be read.", failure);
        }
    }

    private static T Do<T>(string guest, string path, Func<T> action)
    {
        try
        {
            return action();
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw AgentErrors.CopyFailed(guest, $"to copy from or to '{path}' of the host", failure.Message, ToDo(failure, path), failure);
        }
    }

    private static string ToDo(Exception failure, string path) => failure switch
    {
        DirectoryNotFoundException => $"Make the folder first: New-Item -ItemType Directory '{Path.GetDirectoryName(path)}'.",
        FileNotFoundException => "Give the path of a file that is there.",
        UnauthorizedAccessException => "Give the path of a file that you may read or write, and no folder.",
        _ => "See that there is room on the file system, and that it can be written.",
    };

    /// <summary>What was not copied whole goes; where that fails there is nothing, or the copy's own error says why.</summary>
    private static void Delete(string partial)
    {
        try
        {
            File.Delete(partial);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            // The folder has gone, or cannot be written any more.
        }
    }
}
