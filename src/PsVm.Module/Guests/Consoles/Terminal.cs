using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;
using PsVm.Module.Output;

namespace PsVm.Module.Guests.Consoles;

/// <summary>The terminal that controls this process, in raw mode until it is disposed.</summary>
/// <remarks>
/// Sources: Linux manual pages termios(3), tty(4) and poll(2); for control sequences ECMA-48 and xterm's ctlseqs. Numbers are those of
/// 64-bit Linux with the generic ABI: x86-64, arm64 and riscv64 agree.
/// </remarks>
internal sealed partial class Terminal : IDisposable
{
    private const int OpenFlags = 0x2 | 0x100 | 0x800 | 0x80000; // O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC
    private const int SetNow = 0, SetFlush = 2; // TCSANOW, TCSAFLUSH
    private const short In = 1, Out = 4, Error = 8, HangUp = 16; // POLLIN, POLLOUT, POLLERR, POLLHUP
    private const int Again = 11, Interrupted = 4; // EAGAIN, EINTR

    // Room for struct termios of any libc; nothing here looks into it.
    private const int StateSize = 256;

    // CAN and ST end what the guest left unfinished. DECSTBM moves the cursor; so does leaving an alternate screen that was not entered.
    // ED in the end: the prompt must not stand in what a guest wrote below its cursor.
    private const string Reset =
        "\x18\e\\\e[?1000;1001;1002;1003;1004;1005;1006l\e[?2004l\e7\e[?1049l\e7\e[r\e8\e[0m\x0f\e(B\e[4l\e[?1l\e>\e[?7h\e[?25h\r\n\e[J";

    private static readonly TimeSpan s_answers = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan s_quiet = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan s_farewell = TimeSpan.FromSeconds(1);

    private readonly SafeFileHandle _file;
    private readonly byte[] _before;

    private Terminal(SafeFileHandle file, byte[] before)
    {
        _file = file;
        _before = before;
    }

    /// <summary>A line to leave on the terminal; null: none.</summary>
    public string? Farewell { get; set; }

    /// <summary>Opens the terminal and makes it raw.</summary>
    /// <exception cref="CmdletException">ConsoleNotTerminal: there is none.</exception>
    public static Terminal Open(string guest)
    {
        if (Console.IsInputRedirected)
        {
            throw NoTerminal(guest, "the input is redirected");
        }

        SafeFileHandle file = OpenFile("/dev/tty", OpenFlags);
        byte[] before = new byte[StateSize];
        if (file.IsInvalid || GetState(file, ref before[0]) != 0)
        {
            file.Dispose();
            throw NoTerminal(guest, "/dev/tty cannot be opened");
        }

        byte[] raw = [.. before];
        MakeRaw(ref raw[0]);
        if (SetState(file, SetNow, ref raw[0]) != 0)
        {
            file.Dispose();
            throw NoTerminal(guest, "/dev/tty cannot be made raw");
        }

        return new Terminal(file, before);
    }

    /// <summary>Waits until something was typed, or there is room to write.</summary>
    /// <param name="timeout">The longest wait.</param>
    /// <param name="forRoom">Room to write ends the wait, too.</param>
    /// <returns>False: the terminal has gone.</returns>
    public bool Wait(TimeSpan timeout, bool forRoom)
    {
        PollRequest request = new() { File = (int)_file.DangerousGetHandle(), Events = (short)(In | (forRoom ? Out : 0)), Found = 0 };
        return Poll(ref request, 1, (int)timeout.TotalMilliseconds) <= 0 || (request.Found & (Error | HangUp)) == 0;
    }

    /// <summary>Takes what was typed.</summary>
    /// <returns>The number of bytes; 0 when nothing was.</returns>
    public int Read(byte[] buffer) => (int)Math.Max(0, ReadFile(_file, ref buffer[0], (nuint)buffer.Length));

    /// <summary>Writes what there is room for.</summary>
    /// <returns>The number of bytes; -1 when the terminal has gone.</returns>
    public int Write(ReadOnlySpan<byte> bytes)
    {
        if (bytes.IsEmpty)
        {
            return 0;
        }

        nint written = WriteFile(_file, ref MemoryMarshal.GetReference(bytes), (nuint)bytes.Length);
        return written >= 0 ? (int)written : Marshal.GetLastPInvokeError() is Again or Interrupted ? 0 : -1;
    }

    /// <summary>Takes back what a guest may have switched on, throws away late answers of the terminal, and ends raw mode.</summary>
    public void Dispose()
    {
        WriteAll(Farewell is null ? Reset : $"{Reset}{Farewell}\r\n");
        // Still raw: in line mode the answers would be echoed, and could not be read before a line feed.
        ThrowAwayAnswers();
        _ = SetState(_file, SetFlush, ref _before[0]);
        _file.Dispose();
    }

    // A guest that asked the terminal something (ESC[6n) must not have the answer typed into the operator's prompt. Answers come in the
    // order of the questions, but the first ESC[0n may answer one of the guest's: only quiet behind it ends the wait early.
    private void ThrowAwayAnswers()
    {
        WriteAll("\e[5n");
        byte[] buffer = new byte[1 << 10];
        byte[] last = [];
        bool isAnswered = false;
        long start = Stopwatch.GetTimestamp();
        long heard = start;
        while (Stopwatch.GetElapsedTime(start) < s_answers && !(isAnswered && Stopwatch.GetElapsedTime(heard) > s_quiet))
        {
            if (!Wait(TimeSpan.FromMilliseconds(10), forRoom: false))
            {
                return;
            }

            int length = Read(buffer);
            if (length > 0)
            {
                heard = Stopwatch.GetTimestamp();
                byte[] seen = [.. last, .. buffer.AsSpan(0, length)];
                isAnswered |= seen.AsSpan().IndexOf("\e[0n"u8) >= 0;
                last = seen[^Math.Min(3, seen.Length)..];
            }
        }
    }

    private void WriteAll(string text)
    {
        ReadOnlySpan<byte> left = Encoding.UTF8.GetBytes(text);
        long start = Stopwatch.GetTimestamp();
        while (!left.IsEmpty && Stopwatch.GetElapsedTime(start) < s_farewell)
        {
            int written = Wait(TimeSpan.FromMilliseconds(10), forRoom: true) ? Write(left) : -1;
            if (written < 0)
            {
                return;
            }

            left = left[written..];
        }
    }

    private static CmdletException NoTerminal(string guest, string found) => new(
        ModuleErrorIds.ConsoleNotTerminal,
        $"Expected a terminal for the console of guest '{guest}', but {found}.",
        guest,
        "Run it at an interactive prompt; scripts use Send-GuestConsole and Receive-GuestConsole.");

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial SafeFileHandle OpenFile(string path, int flags);

    [LibraryImport("libc", EntryPoint = "read", SetLastError = true)]
    private static partial nint ReadFile(SafeFileHandle file, ref byte buffer, nuint length);

    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    private static partial nint WriteFile(SafeFileHandle file, ref byte buffer, nuint length);

    [LibraryImport("libc", EntryPoint = "poll", SetLastError = true)]
    private static partial int Poll(ref PollRequest requests, nuint count, int milliseconds);

    [LibraryImport("libc", EntryPoint = "tcgetattr", SetLastError = true)]
    private static partial int GetState(SafeFileHandle file, ref byte state);

    [LibraryImport("libc", EntryPoint = "tcsetattr", SetLastError = true)]
    private static partial int SetState(SafeFileHandle file, int when, ref byte state);

    [LibraryImport("libc", EntryPoint = "cfmakeraw")]
    private static partial void MakeRaw(ref byte state);

    /// <summary>struct pollfd.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct PollRequest
    {
        public int File;
        public short Events;
        public short Found;
    }
}
