using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace PsVm.Machine.Tests.Support;

/// <summary>
/// A network of the host's own for a test, as a host without others would have it: an address, a default route, any user may ping, and the
/// DNS servers of a text. Needs root and ip(8).
/// </summary>
internal sealed partial class HostNamespace : IDisposable
{
    /// <summary>The host's address there.</summary>
    public const string Address = "198.18.7.1";

    /// <summary>Another address of the host's there, which is no loopback one.</summary>
    public const string OtherAddress = "198.18.8.1";

    private const int NewNetwork = 0x4000_0000; // CLONE_NEWNET

    private readonly string _name = $"psvm{Environment.ProcessId % 100_000}n{Random.Shared.Next(1000)}";
    private readonly string _folder = Directory.CreateTempSubdirectory("psvm-test-").FullName;

    private HostNamespace(string resolvers)
    {
        Directory.CreateDirectory(Etc);
        File.WriteAllText(Path.Combine(Etc, "resolv.conf"), resolvers);
    }

    private string Etc => $"/etc/netns/{_name}";

    /// <summary>Makes one, or skips the test.</summary>
    /// <param name="resolvers">What is in its <c>/etc/resolv.conf</c>.</param>
    public static HostNamespace MakeOrSkip(string resolvers)
    {
        Skip.If(Mono.Unix.Native.Syscall.geteuid() != 0, "a network namespace needs root");
        HostNamespace made = new(resolvers);
        try
        {
            foreach (string command in (string[])[
                "netns add NAME", "-n NAME link set lo up", "-n NAME link add eth0 type veth peer name other",
                "-n NAME link set other up", "-n NAME link set eth0 up",
                $"-n NAME addr add {Address}/24 dev eth0",
                $"-n NAME addr add {OtherAddress}/32 dev lo",
                "-n NAME route add default via 198.18.7.254"])
            {
                (int code, string said) = IpCommand.Run(command.Replace("NAME", made._name, StringComparison.Ordinal).Split(' '));
                Skip.If(code != 0, $"no network can be made here: ip {command}: {said.Trim()}");
            }

            (int range, string why) = IpCommand.Run(
                "netns", "exec", made._name, "sh", "-c", "echo 0 2147483647 >/proc/sys/net/ipv4/ping_group_range");
            Skip.If(range != 0, $"who may ping cannot be said here: {why.Trim()}");
            return made;
        }
        catch
        {
            made.Dispose();
            throw;
        }
    }

    /// <summary>A program that runs another there, with the arguments that it is given.</summary>
    public string Wrap(string program)
    {
        string path = Path.Combine(_folder, Path.GetFileName(program));
        File.WriteAllText(path, $"#!/bin/sh\nexec ip netns exec {_name} {program} \"$@\"\n");
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return path;
    }

    /// <summary>A socket there.</summary>
    public Socket MakeSocket(SocketType type)
    {
        // The network is the thread's, which is for nothing else and ends; the socket stays where it was made.
        Socket? made = null;
        int error = 0;
        Thread there = new(() =>
        {
            using Microsoft.Win32.SafeHandles.SafeFileHandle name = File.OpenHandle($"/run/netns/{_name}");
            error = SetNamespace(name, NewNetwork) == 0 ? 0 : Marshal.GetLastPInvokeError();
            made = error == 0 ? new Socket(AddressFamily.InterNetwork, type, ProtocolType.Unspecified) : null;
        });
        there.Start();
        there.Join();
        return made ?? throw new InvalidOperationException($"setns: {error}");
    }

    public void Dispose()
    {
        IpCommand.Run("netns", "delete", _name);
        Directory.Delete(Etc, recursive: true);
        Directory.Delete(_folder, recursive: true);
    }

    [LibraryImport("libc", EntryPoint = "setns", SetLastError = true)]
    private static partial int SetNamespace(SafeHandle descriptor, int kind);
}
