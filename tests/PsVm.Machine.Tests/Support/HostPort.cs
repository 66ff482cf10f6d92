using System.Collections.Concurrent;
using System.Net;
using PsVm.Machine.Devices.Networks;

namespace PsVm.Machine.Tests.Support;

/// <summary>TCP ports of the host's for programs that take them later.</summary>
internal static class HostPort
{
    private static readonly ConcurrentDictionary<ushort, bool> s_given = [];

    /// <summary>
    /// A port that nobody has, and that no other test gets: below those that the kernel gives to whoever wants any, who might have it
    /// before the program that it is for.
    /// </summary>
    public static ushort Free()
    {
        while (true)
        {
            ushort port = (ushort)Random.Shared.Next(10_000, 30_000);
            if (s_given.TryAdd(port, true) && new PortForward(IsUdp: false, IPAddress.Loopback, port, 80).WhyNot() is null)
            {
                return port;
            }
        }
    }
}
