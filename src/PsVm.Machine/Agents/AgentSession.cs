using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using PsVm.Machine.Devices;

namespace PsVm.Machine.Agents;

/// <summary>
/// The protocol of QEMU's guest agent on a port: a request, then its answer, each JSON. Nothing that the guest writes is believed: an
/// answer has a bound and a time, and what makes no sense, or was not asked for, ends the session; the next request begins another one.
/// Safe from any thread.
/// </summary>
/// <remarks>
/// A session begins with a byte that no text has, upon which the agent forgets half a request, and a number that comes back behind such a
/// byte: all before that is dropped. Source: QEMU, qga/qapi-schema.json, <c>guest-sync-delimited</c>.
/// </remarks>
/// <param name="port">The port.</param>
/// <param name="guest">The guest's name now.</param>
/// <param name="cpu">What the guest has had of the host's CPUs, and whether it wants more now; null: nobody knows.</param>
[SuppressMessage(
    "Reliability", "CA1001", Justification = "A semaphore whose handle nobody asks for holds nothing; requests may outlive the guest.")]
internal sealed class AgentSession(ConsolePort port, Func<string> guest, Func<(TimeSpan Had, bool WantsMore)>? cpu = null)
{
    /// <summary>Bytes of an answer; output of commands, as base64, is the longest part of those.</summary>
    public const int MostAnswer = 8 << 20;

    // What an agent may have left of answers that nobody waited for.
    private const int MostDropped = 4 * MostAnswer;
    private const int Piece = 16 << 10;

    // As long as bytes move, or its guest waits for the host's CPUs, its time begins anew, so often at most.
    private const int MostPatience = 6;

    // A guest that has had less of its time than this part, and wants more, had no chance to answer: hundreds share the host's CPUs.
    private const int LeastShare = 10;
    private const byte Delimiter = 0xff;

    private static readonly JsonDocumentOptions s_bounds = new() { MaxDepth = 16 };

    // What was asked may still be answered, so that what it began can be ended.
    private static readonly TimeSpan s_grace = TimeSpan.FromSeconds(1);

    private readonly SemaphoreSlim _turn = new(1, 1);
    private int _session = -1;
    private byte[] _bytes = [];
    private int _start, _end;
    private int _answeredIn = -1;
    private bool _hasFailed;
    private Action? _moved;

    /// <summary>What is known of the agent.</summary>
    public GuestAgentState State => !port.IsOpen ? GuestAgentState.Absent
        : _hasFailed ? GuestAgentState.Silent
        : _answeredIn == port.Session ? GuestAgentState.Answers
        : GuestAgentState.Unknown;

    /// <summary>Which program of the guest's it is: another one has another number.</summary>
    public int Session => port.Session;

    /// <summary>Asks for something.</summary>
    /// <param name="request">The request's name.</param>
    /// <param name="arguments">Writes its arguments; null: it has none.</param>
    /// <param name="timeout">How long the agent may do nothing.</param>
    /// <param name="cancellation">Gives up, a moment later if an answer is on its way.</param>
    /// <returns>What it returned.</returns>
    /// <exception cref="GuestException">It did not, or refused.</exception>
    public async Task<JsonElement> AskAsync(
        string request, Action<Utf8JsonWriter>? arguments, TimeSpan timeout, CancellationToken cancellation = default) =>
        await TryAskAsync(request, arguments, timeout, cancellation).ConfigureAwait(false) ?? throw AgentErrors.Unknown(guest(), request);

    /// <summary>As <see cref="AskAsync"/>, but for what an agent may not know.</summary>
    /// <returns>Null: it does not know the request.</returns>
    public Task<JsonElement?> TryAskAsync(
        string request, Action<Utf8JsonWriter>? arguments, TimeSpan timeout, CancellationToken cancellation = default) =>
        AskAllAsync(request, () => Request(request, arguments), 1, timeout, cancellation);

    /// <summary>
    /// Asks for two things at once, in one round trip, with what begins a session where that is due. A guest that answers none of it may do
    /// both later, so they are to do no harm then.
    /// </summary>
    /// <param name="first">What is asked first, and writes its arguments; whatever comes of it.</param>
    /// <param name="last">What is asked then, without arguments.</param>
    /// <param name="timeout">How long the agent may do nothing.</param>
    /// <returns>What the last returned.</returns>
    /// <exception cref="GuestException">It did not, or refused the last.</exception>
    public async Task<JsonElement> AskBothAsync((string Request, Action<Utf8JsonWriter> Arguments) first, string last, TimeSpan timeout) =>
        await AskAllAsync(last, () => [.. Request(first.Request, first.Arguments), .. Request(last, null)], 2, timeout, default)
            .ConfigureAwait(false)
            ?? throw AgentErrors.Unknown(guest(), last);

    /// <summary>Asks for one or more things at once, and returns what the last returned; null: that is not known.</summary>
    private async Task<JsonElement?> AskAllAsync(
        string request, Func<byte[]> write, int answers, TimeSpan timeout, CancellationToken cancellation)
    {
        ThrowIfAbsent();
        await _turn.WaitAsync(cancellation).ConfigureAwait(false);
        using CancellationTokenSource ended = new(timeout * MostPatience);
        using CancellationTokenRegistration given = cancellation.Register(() => ended.CancelAfter(s_grace));
        using CancellationTokenSource over = CancellationTokenSource.CreateLinkedTokenSource(ended.Token);
        TimeSpan had = default;
        Timer? late = null;
        late = new Timer(_ => EndUnlessStarved());
        await using ConfiguredAsyncDisposable waits = late.ConfigureAwait(false);
        Wait();
        _moved = Wait;
        bool isDone = false;
        try
        {
            cancellation.ThrowIfCancellationRequested();
            _bytes = ArrayPool<byte>.Shared.Rent(Piece);
            byte[] text = write();
            // A single request may be one that is not to be done later than somebody waits for it, so it waits until the agent is known to
            // be there.
            if (!await BeginAsync(answers > 1 ? text : [], over.Token).ConfigureAwait(false))
            {
                await SendAsync(text, over.Token).ConfigureAwait(false);
            }

            for (int before = 1; before < answers; before++)
            {
                using JsonDocument any = await ReceiveAsync(over.Token).ConfigureAwait(false);
            }

            using JsonDocument answer = await ReceiveAsync(over.Token).ConfigureAwait(false);
            isDone = true;
            JsonElement? returned = Returned(request, answer.RootElement);
            (_hasFailed, _answeredIn) = (false, _session);
            return returned;
        }
        catch (OperationCanceledException)
        {
            cancellation.ThrowIfCancellationRequested();
            _hasFailed = true;
            throw IsStarved() ? AgentErrors.Starved(guest(), timeout * MostPatience) : AgentErrors.Silent(guest(), timeout);
        }
        catch (GuestException failure) when (failure.ErrorId is GuestErrorIds.GuestAgentGarbled or GuestErrorIds.GuestAgentFlooded)
        {
            _hasFailed = true;
            isDone = false;
            throw;
        }
        finally
        {
            // What comes unasked is not an answer to what is asked next.
            _session = isDone && _start == _end ? _session : -1;
            ArrayPool<byte>.Shared.Return(_bytes);
            (_bytes, _start, _end, _moved) = ([], 0, 0, null);
            _turn.Release();
        }

        void Wait()
        {
            had = cpu?.Invoke().Had ?? default;
            late?.Change(timeout, Timeout.InfiniteTimeSpan);
        }

        void EndUnlessStarved()
        {
            if (IsStarved())
            {
                Wait();
            }
            else
            {
                over.Cancel();
            }
        }

        bool IsStarved() => cpu?.Invoke() is (var now, true) && now - had < timeout / LeastShare;
    }

    /// <summary>Begins a session, unless there is one.</summary>
    /// <param name="behind">Requests that go with what begins it.</param>
    /// <param name="over">Gives up.</param>
    /// <returns>Those were sent.</returns>
    private async Task<bool> BeginAsync(byte[] behind, CancellationToken over)
    {
        if (_session == port.Session && !port.HasOutput)
        {
            return false;
        }

        _session = port.Session;
        long number = Random.Shared.NextInt64(1, 1L << 53);
        byte[] request = [Delimiter, .. Request("guest-sync-delimited", writer => writer.WriteNumber("id", number)), .. behind];
        await SendAsync(request, over).ConfigureAwait(false);
        long dropped = 0;
        while (true)
        {
            int at = Array.IndexOf(_bytes, Delimiter, _start, _end - _start);
            dropped += (at < 0 ? _end : at + 1) - _start;
            _start = at < 0 ? _end : at + 1;
            if (dropped > MostDropped)
            {
                throw AgentErrors.Flooded(guest(), MostAnswer);
            }

            if (at < 0)
            {
                await FillAsync(over).ConfigureAwait(false);
                continue;
            }

            try
            {
                using JsonDocument answer = await ReceiveAsync(over).ConfigureAwait(false);
                if (AgentNumbers.TryRead(answer.RootElement, "return", out long found) && found == number)
                {
                    return behind.Length > 0;
                }
            }
            catch (GuestException garbled) when (garbled.ErrorId == GuestErrorIds.GuestAgentGarbled)
            {
                // The end of what another session left; ours may follow.
            }
        }
    }

    private static byte[] Request(string name, Action<Utf8JsonWriter>? arguments)
    {
        ArrayBufferWriter<byte> text = new();
        using (Utf8JsonWriter writer = new(text))
        {
            writer.WriteStartObject();
            writer.WriteString("execute", name);
            if (arguments is not null)
            {
                writer.WriteStartObject("arguments");
                arguments(writer);
                writer.WriteEndObject();
            }

            writer.WriteEndObject();
        }

        text.Write("\n"u8);
        return text.WrittenSpan.ToArray();
    }

    private async Task SendAsync(ReadOnlyMemory<byte> bytes, CancellationToken over)
    {
        while (true)
        {
            Task changed = port.Changed;
            ThrowIfGone();
            int count = port.Write(bytes.Span);
            bytes = bytes[count..];
            if (bytes.IsEmpty)
            {
                return;
            }

            if (count > 0)
            {
                _moved?.Invoke();
            }

            await changed.WaitAsync(over).ConfigureAwait(false);
        }
    }

    /// <summary>The next line, which is to be an object.</summary>
    private async Task<JsonDocument> ReceiveAsync(CancellationToken over)
    {
        ArrayBufferWriter<byte>? longer = null;
        while (true)
        {
            int at = Array.IndexOf(_bytes, (byte)'\n', _start, _end - _start);
            int count = (at < 0 ? _end : at) - _start;
            ReadOnlyMemory<byte> piece = _bytes.AsMemory(_start, count);
            _start += count + (at < 0 ? 0 : 1);
            if ((longer?.WrittenCount ?? 0) + count > MostAnswer)
            {
                throw AgentErrors.Flooded(guest(), MostAnswer);
            }

            if (at < 0)
            {
                (longer ??= new ArrayBufferWriter<byte>()).Write(piece.Span);
                await FillAsync(over).ConfigureAwait(false);
                continue;
            }

            if (longer is not null)
            {
                longer.Write(piece.Span);
                piece = longer.WrittenMemory;
            }

            if (piece.Span.Trim(" \t\r"u8).IsEmpty)
            {
                longer = null;
                continue;
            }

            return Parse(piece);
        }
    }

    private JsonDocument Parse(ReadOnlyMemory<byte> text)
    {
        JsonDocument document;
        try
        {
            ThrowIfNoText(text.Span);
            document = JsonDocument.Parse(text.ToArray(), s_bounds);
        }
        catch (Exception failure) when (failure is JsonException or InvalidOperationException)
        {
            throw AgentErrors.Garbled(
                guest(), "a JSON object a line", $"'{Encoding.Latin1.GetString(text.Span[..Math.Min(text.Length, 100)])}'");
        }

        if (document.RootElement.ValueKind != JsonValueKind.Object)
        {
            JsonValueKind kind = document.RootElement.ValueKind;
            document.Dispose();
            throw AgentErrors.Garbled(guest(), "a JSON object a line", $"{kind}");
        }

        return document;
    }

    /// <summary>
    /// JSON is parsed without a look at what is in its strings; later nobody expects bytes, or halves of pairs, that are no text.
    /// </summary>
    private static void ThrowIfNoText(ReadOnlySpan<byte> text)
    {
        if (!Utf8.IsValid(text))
        {
            throw new InvalidOperationException("no UTF-8");
        }

        Utf8JsonReader reader = new(text, new JsonReaderOptions { MaxDepth = s_bounds.MaxDepth });
        bool isEscaped = text.Contains((byte)'\\');
        while (isEscaped && reader.Read())
        {
            if (reader.TokenType is JsonTokenType.String or JsonTokenType.PropertyName && reader.ValueIsEscaped)
            {
                _ = reader.GetString(); // which throws
            }
        }
    }

    /// <returns>Null: the request is not known.</returns>
    private JsonElement? Returned(string request, JsonElement answer)
    {
        if (answer.TryGetProperty("return", out JsonElement returned))
        {
            return returned.Clone();
        }

        if (!answer.TryGetProperty("error", out JsonElement error) || error.ValueKind != JsonValueKind.Object)
        {
            throw AgentErrors.Garbled(guest(), "an answer with 'return' or 'error'", $"'{answer}'");
        }

        (_hasFailed, _answeredIn) = (false, _session);
        return Text(error, "class") == "CommandNotFound"
            ? null
            : throw AgentErrors.Refused(guest(), request, Text(error, "desc") ?? $"{error}");
    }

    private static string? Text(JsonElement of, string name) =>
        of.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private async Task FillAsync(CancellationToken over)
    {
        while (true)
        {
            Task changed = port.Changed;
            ThrowIfGone();
            int count = port.Read(_bytes);
            if (count > 0)
            {
                (_start, _end) = (0, count);
                _moved?.Invoke();
                return;
            }

            await changed.WaitAsync(over).ConfigureAwait(false);
        }
    }

    private void ThrowIfAbsent()
    {
        if (!port.IsOpen)
        {
            throw AgentErrors.Absent(guest());
        }
    }

    private void ThrowIfGone()
    {
        if (!port.IsOpen || port.Session != _session)
        {
            throw AgentErrors.Gone(guest());
        }
    }
}
