using System.Text;
using PsVm.Module.Output;

namespace PsVm.Module.Guests.Consoles;

/// <summary>Connects the operator's terminal with the console of one guest, until one of them ends it.</summary>
internal static class ConsoleSession
{
    private const byte Leave = 0x1d; // Ctrl+]
    private const int LinesShown = 20;
    private const int PieceLimit = 1 << 12;

    private static readonly TimeSpan s_poll = TimeSpan.FromMilliseconds(20);

    /// <summary>Returns when the operator leaves, the guest stops or the terminal goes; the terminal is then as it was.</summary>
    /// <exception cref="CmdletException">ConsoleNotTerminal: there is no terminal.</exception>
    public static void Run(GuestInfo guest, IGuestHost host, ConsoleReadings readings, CancellationToken cancellation)
    {
        using Terminal terminal = Terminal.Open(guest.Name);
        ConsoleText held = host.ReadConsole(guest.Reference, 0, cancellation);
        long position = held.NextPosition;
        byte[] typed = new byte[1 << 10];
        Decoder decoder = Encoding.UTF8.GetDecoder();
        ReadOnlyMemory<byte> pending = Encoding.UTF8.GetBytes(Greeting(guest.Name, held));
        while (terminal.Wait(s_poll, forRoom: !pending.IsEmpty))
        {
            cancellation.ThrowIfCancellationRequested();
            ReadOnlySpan<byte> input = typed.AsSpan(0, terminal.Read(typed));
            int leave = input.IndexOf(Leave);
            Type(guest, leave < 0 ? input : input[..leave], decoder, host, terminal, cancellation);
            if (leave >= 0)
            {
                return;
            }

            if (pending.IsEmpty)
            {
                // The state first: whatever is written before the end is then read.
                bool isOver = host.Get(guest.Reference, cancellation).State.IsOver();
                ConsoleText piece = host.ReadConsole(guest.Reference, position, PieceLimit, cancellation);
                position = piece.NextPosition;
                readings.See(guest.Id, position);
                if (isOver && piece.Text.Length == 0)
                {
                    terminal.Farewell = $"Guest '{guest.Name}' has stopped.";
                    return;
                }

                pending = Encoding.UTF8.GetBytes(piece.IsCut ? $"\r\n{ConsoleFeed.CutText(guest.Name)}\r\n{piece.Text}" : piece.Text);
            }

            int written = terminal.Write(pending.Span);
            if (written < 0)
            {
                return;
            }

            pending = pending[written..];
        }
    }

    /// <summary>What was there before, which drives no terminal, and how to leave.</summary>
    internal static string Greeting(string guest, ConsoleText held)
    {
        int start = (int)(ConsoleStart.Of(held, LinesShown, null) - held.Position);
        ConsoleText last = held with { Text = held.Text[start..] };
        IEnumerable<string> lines = ConsoleLines.Of(guest, last).Select(line => line.Text);
        string size = $"stty rows {Console.WindowHeight} cols {Console.WindowWidth}";
        return string.Concat(
            lines.Append($"Connected to guest '{guest}'; Ctrl+] leaves. In a shell: {size}").Select(line => $"{line}\r\n"));
    }

    private static void Type(
        GuestInfo guest, ReadOnlySpan<byte> input, Decoder decoder, IGuestHost host, Terminal terminal, CancellationToken cancellation)
    {
        // A character whose bytes have not all come waits in the decoder.
        char[] characters = new char[decoder.GetCharCount(input, flush: false)];
        int count = decoder.GetChars(input, characters, flush: false);
        if (count == 0)
        {
            return;
        }

        try
        {
            host.WriteConsole(guest.Reference, new string(characters, 0, count), cancellation);
        }
        catch (GuestException error) when (error.ErrorId is GuestErrorIds.ConsoleInputFull)
        {
            // As a terminal does whose input is full.
            _ = terminal.Write("\a"u8);
        }
        catch (GuestException error) when (error.ErrorId is GuestErrorIds.GuestStopped)
        {
            // The session ends once its last words are read.
        }
    }
}
