using PsVm.Module.Output;

namespace PsVm.Module.Guests.Consoles;

/// <summary>What one guest writes on its console, taken a few lines at a time, so that several guests are heard in turn.</summary>
internal sealed class ConsoleFeed
{
    private const int LinesPerTurn = 32;

    private readonly GuestInfo _guest;
    private readonly ReceiveOptions _options;
    private readonly IGuestHost _host;
    private readonly ConsoleReadings _readings;
    private readonly ConsoleLines _lines = new();
    private readonly Queue<GuestConsoleLine> _waiting = new();
    private readonly int _limit;
    private long _position;

    /// <summary>Begins where the options say.</summary>
    public ConsoleFeed(
        GuestInfo guest, ReceiveOptions options, IGuestHost host, ConsoleReadings readings, CancellationToken cancellation)
    {
        _guest = guest;
        _options = options;
        _host = host;
        _readings = readings;
        _position = options.All ? 0 : readings.Position(guest.Id);
        if (options.Tail is not null || options.Since is not null)
        {
            _position = ConsoleStart.Of(host.ReadConsole(guest.Reference, 0, cancellation), options.Tail, options.Since);
        }

        // Small pieces where the guest may write faster than its lines are taken: what waits, waits in the console's bounded buffer.
        _limit = options.Follow ? 1 << 12 : int.MaxValue;
    }

    /// <summary>All has been given that there is to give.</summary>
    public bool IsOver { get; private set; }

    /// <summary>Gives some lines.</summary>
    /// <returns>Whether there was any text.</returns>
    public bool Turn(Action<GuestConsoleLine> give, ICmdletOutput output, CancellationToken cancellation)
    {
        bool isNews = _waiting.Count > 0 || Read(output, cancellation);
        for (int given = 0; (given < LinesPerTurn || !_options.Follow) && _waiting.TryDequeue(out GuestConsoleLine? line); given++)
        {
            give(line);
        }

        return isNews;
    }

    /// <summary>What a follower is told when a guest was reset.</summary>
    public static string CutText(string guest) => $"Guest '{guest}' was reset: what it had written is gone.";

    /// <summary>Warns when text before a piece could not be read any more.</summary>
    public static void WarnOfLoss(string guest, ConsoleText piece, ICmdletOutput output)
    {
        if (piece.Lost > 0)
        {
            output.WriteWarning(
                $"[{ModuleErrorIds.ConsoleTextLost}] {piece.Lost} characters of guest '{guest}' before this text are no longer held.");
        }
    }

    private bool Read(ICmdletOutput output, CancellationToken cancellation)
    {
        // The state first: whatever is written before the end is then read.
        bool goesOn = _options.Follow && !_host.Get(_guest.Reference, cancellation).State.IsOver();
        ConsoleText piece = _host.ReadConsole(_guest.Reference, _position, _limit, cancellation);
        if (piece.IsCut && _position > 0)
        {
            Cut(output);
        }

        _position = piece.NextPosition;
        _readings.Advance(_guest.Id, _position);
        WarnOfLoss(_guest.Name, piece, output);
        if (!_options.Raw)
        {
            foreach ((string text, DateTimeOffset time) in _lines.Add(piece))
            {
                _waiting.Enqueue(new GuestConsoleLine(_guest.Name, time, VisibleText.Of(text)));
            }
        }
        else if (piece.Text.Length > 0)
        {
            _waiting.Enqueue(new GuestConsoleLine(_guest.Name, piece.TimeOf(piece.NextPosition - 1), piece.Text));
        }

        IsOver = !goesOn && (piece.Text.Length == 0 || !_options.Follow);
        if (IsOver)
        {
            TakeRest();
        }

        return piece.Text.Length > 0;
    }

    /// <summary>The guest was reset: a line that it had not ended goes no further.</summary>
    private void Cut(ICmdletOutput output)
    {
        TakeRest();
        if (_options.Follow)
        {
            output.WriteWarning($"[{ModuleErrorIds.ConsoleCut}] {CutText(_guest.Name)}");
        }
    }

    private void TakeRest()
    {
        if (_lines.TakeRest() is { } rest)
        {
            _waiting.Enqueue(new GuestConsoleLine(_guest.Name, rest.Time, VisibleText.Of(rest.Text)));
        }
    }
}
