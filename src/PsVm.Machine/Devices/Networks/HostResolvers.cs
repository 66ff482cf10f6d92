using System.Net;
using System.Net.Sockets;

namespace PsVm.Machine.Devices.Networks;

/// <summary>
/// Which DNS servers guests on passt are told of. passt itself tells them those of <c>/etc/resolv.conf</c>, but none that is on a loopback
/// address, where a guest is not let: on a host with systemd-resolved or dnsmasq that is all of them.
/// </summary>
/// <remarks>
/// Then the servers that such a resolver asks itself are told, where it says which they are. Where it does not, the guest may ask the
/// resolver at <see cref="Forwarded"/>, for names only. passt forwards what is sent there, but tells of no server then (nor would it
/// forward to a resolver on a loopback address if it were told to name one: Debian 12's), so its answers are made to name that one
/// (<see cref="DhcpAnswer"/>). Source: passt(1), systemd-resolved(8), NetworkManager.conf(5).
/// </remarks>
internal static class HostResolvers
{
    /// <summary>
    /// Where a guest reaches a resolver on a loopback address of the host: a link-local address, which no network of the host's has.
    /// </summary>
    public const string Forwarded = "169.254.53.53";

    private const int Most = 3; // of each kind: resolv.conf(5), MAXNS
    private const int LongestFile = 64 << 10;

    private const string Own = "/etc/resolv.conf";

    // Those that systemd-resolved and NetworkManager ask.
    private static readonly string[] s_behind = ["/run/systemd/resolve/resolv.conf", "/run/NetworkManager/no-stub-resolv.conf"];

    /// <summary>What passt, and guests, are to be told of them.</summary>
    /// <param name="read">Gives the text of a file; null: it is not there.</param>
    public static ResolverPlan Plan(Func<string, string?>? read = null)
    {
        read ??= Read;
        IPAddress[] own = Servers(read(Own));
        if (own.Length == 0 || !own.All(IPAddress.IsLoopback))
        {
            return new([], null); // passt finds out by itself
        }

        IPAddress[] behind = [.. s_behind.Select(file => Servers(read(file)).Where(server => !IPAddress.IsLoopback(server)).ToArray())
            .FirstOrDefault(servers => servers.Length > 0) ?? []];
        if (behind.Length > 0)
        {
            return new([.. behind.SelectMany(server => (string[])["--dns", server.ToString()])], null);
        }

        // passt forwards within a family alone
        return own.Any(IsIpv4) ? new(["--dns-forward", Forwarded], IPAddress.Parse(Forwarded)) : new([], null);
    }

    /// <summary>
    /// The servers of a text, as many of each kind as count; those of a link alone, which have a scope, are none of a guest's.
    /// </summary>
    private static IPAddress[] Servers(string? text)
    {
        IPAddress[] all =
        [
            .. (text ?? string.Empty).Split('\n').Select(line => line.Split([' ', '\t', '\r'], StringSplitOptions.RemoveEmptyEntries))
                .Where(words => words is ["nameserver", _, ..])
                    .Select(words => IPAddress.TryParse(words[1], out IPAddress? server) ? server : null)
                .OfType<IPAddress>().Where(server => !server.IsIPv6LinkLocal),
        ];
        return [.. all.GroupBy(IsIpv4).SelectMany(kind => kind.Distinct().Take(Most))];
    }

    private static bool IsIpv4(IPAddress server) => server.AddressFamily == AddressFamily.InterNetwork;

    private static string? Read(string file)
    {
        try
        {
            using StreamReader reader = new(file);
            char[] text = new char[LongestFile];
            return new string(text, 0, reader.ReadBlock(text));
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}

/// <summary>What is told of DNS servers.</summary>
/// <param name="Arguments">Arguments of passt's; none: it finds out by itself.</param>
/// <param name="Offered">The server that guests are told of where passt tells of none; null: none.</param>
internal readonly record struct ResolverPlan(IReadOnlyList<string> Arguments, IPAddress? Offered);
