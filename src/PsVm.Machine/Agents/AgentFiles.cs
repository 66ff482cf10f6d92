using System.Text.Json;

namespace PsVm.Machine.Agents;

/// <summary>Copies files between host and guest, by the agent's requests for files, a piece after the other.</summary>
internal static class AgentFiles
{
    // What both agents take and give at once, as base64 in a request of our agent's size.
    private const int Piece = 48 << 10;

    /// <inheritdoc cref="IGuestAgents.CopyToAsync"/>
    public static async Task<long> CopyToAsync(
        GuestAgent agent, string guest, string hostPath, string guestPath, CancellationToken cancellation)
    {
        FileStream file = OnHost(guest, hostPath, () => new FileStream(hostPath, FileMode.Open, FileAccess.Read));
        return await SendAsync(agent, guest, file, hostPath, guestPath, cancellation).ConfigureAwait(false);
    }

    /// <summary>Copies an open file of the host into a guest, and closes it.</summary>
    /// <param name="agent">The guest's agent.</param>
    /// <param name="guest">The guest's name.</param>
    /// <param name="file">The file.</param>
    /// <param name="shown">Its path, for errors.</param>
    /// <param name="guestPath">The guest's file.</param>
    /// <param name="cancellation">Gives up.</param>
    public static async Task<long> SendAsync(
        GuestAgent agent, string guest, FileStream file, string shown, string guestPath, CancellationToken cancellation)
    {
        await using (file.ConfigureAwait(false))
        {
            long handle = await OpenAsync(agent, guest, guestPath, "w", cancellation).ConfigureAwait(false);
            long copied = 0;
            try
            {
                byte[] bytes = new byte[Piece];
                int count;
                while ((count = await ReadAsync(guest, file, shown, bytes, cancellation).ConfigureAwait(false)) > 0)
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

                await agent.AskAsync("guest-file-flush", writer => writer.WriteNumber("handle", handle), cancellation)
                    .ConfigureAwait(false);
            }
            finally
            {
                await CloseAsync(agent, handle).ConfigureAwait(false);
            }

            return copied;
        }
    }

    /// <inheritdoc cref="IGuestAgents.CopyFromAsync"/>
    public static Task<long> CopyFromAsync(
        GuestAgent agent, string guest, string guestPath, string hostPath, long most, CancellationToken cancellation) =>
        FetchAsync(agent, guest, guestPath, new HostPlace(hostPath, hostPath, IsProgram: false), most, cancellation);

    /// <summary>Copies a file of a guest to a place of the host's, whose file is replaced once all of it is there.</summary>
    public static async Task<long> FetchAsync(
        GuestAgent agent, string guest, string guestPath, HostPlace place, long most, CancellationToken cancellation)
    {
        long handle = await OpenAsync(agent, guest, guestPath, "r", cancellation).ConfigureAwait(false);
        try
        {
            using HostFile file = OnHost(guest, place.Shown, () => new HostFile(place));
            long copied = 0;
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
                        guest,
                        $"at most {most} bytes in '{VisibleText.Of(guestPath)}' of guest '{guest}'",
                        "more",
                        "Copy a file that has an end.");
                }

                OnHost(guest, place.Shown, () => file.Write(bytes));
            }

            OnHost(guest, place.Shown, file.Finish);
            return copied;
        }
        finally
        {
            await CloseAsync(agent, handle).ConfigureAwait(false);
        }
    }

    private static async Task<long> OpenAsync(GuestAgent agent, string guest, string path, string mode, CancellationToken cancellation)
    {
        try
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
        catch (GuestException refused) when (refused is { ErrorId: GuestErrorIds.GuestAgentRefused, RecommendedAction: null })
        {
            throw AgentErrors.NotOpened(guest, path, mode == "r", refused);
        }
    }

    private static Task CloseAsync(GuestAgent agent, long handle) =>
        agent.EndAsync("guest-file-close", writer => writer.WriteNumber("handle", handle));

    private static async Task<int> ReadAsync(string guest, FileStream file, string shown, byte[] bytes, CancellationToken cancellation)
    {
        try
        {
            return await file.ReadAsync(bytes, cancellation).ConfigureAwait(false);
        }
        catch (IOException failure)
        {
            throw AgentErrors.CopyFailed(guest, $"to read '{shown}'", failure.Message, "See that the host's file can be read.", failure);
        }
    }

    /// <summary>Does something to a file of the host, of which the operator knows the path.</summary>
    /// <exception cref="GuestException">It cannot be done (<see cref="GuestErrorIds.GuestCopyFailed"/>).</exception>
    public static T OnHost<T>(string guest, string path, Func<T> action)
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

    /// <inheritdoc cref="OnHost{T}"/>
    public static void OnHost(string guest, string path, Action action) => OnHost(guest, path, () =>
    {
        action();
        return 0;
    });

    private static string ToDo(Exception failure, string path) => failure switch
    {
        DirectoryNotFoundException => $"Make the folder first: New-Item -ItemType Directory '{Path.GetDirectoryName(path)}'.",
        FileNotFoundException => "Give the path of a file that is there.",
        UnauthorizedAccessException => "Give the path of a file that you may read or write, and no folder.",
        _ => "See that there is room on the file system, and that it can be written.",
    };
}
