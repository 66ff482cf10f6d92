using System.Diagnostics;
using PsVm.Machine.Devices.Networks;

namespace PsVm.Machine.Tests.Devices.Networks;

/// <summary>Which DNS servers guests on passt are told of, by what the host's files say.</summary>
public sealed class HostResolversTests
{
    private const string Own = "/etc/resolv.conf", Resolved = "/run/systemd/resolve/resolv.conf",
        Manager = "/run/NetworkManager/no-stub-resolv.conf";

    [Theory]
    [InlineData("nameserver 192.0.2.1\n", null, null, "")]
    [InlineData("nameserver 127.0.0.53\nnameserver 192.0.2.1\n", "nameserver 192.0.2.2\n", null, "")]
    [InlineData(null, "nameserver 192.0.2.2\n", null, "")]
    [InlineData("search example.com\n", "nameserver 192.0.2.2\n", null, "")]
    [InlineData(
        "# stub\nnameserver 127.0.0.53\noptions edns0 trust-ad\n",
        "nameserver 192.0.2.2\nnameserver 2001:db8::2\n",
        null,
        "--dns 192.0.2.2 --dns 2001:db8::2")]
    [InlineData("nameserver 127.0.0.1\nnameserver ::1", null, "nameserver 192.0.2.3\n", "--dns 192.0.2.3")]
    [InlineData(
        "nameserver\t127.0.0.53 # stub\r\n",
        "nameserver 127.0.0.1\nnameserver 192.0.2.2\nnameserver fe80::1%eth0\nnameserver none\n",
        null,
        "--dns 192.0.2.2")]
    [InlineData(
        "nameserver 127.0.0.53\n",
        "nameserver 192.0.2.1\nnameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\nnameserver 192.0.2.4\n",
        null,
        "--dns 192.0.2.1 --dns 192.0.2.2 --dns 192.0.2.3")]
    [InlineData("nameserver 127.0.0.53\n", null, null, "--dns-forward 169.254.53.53 and told")]
    [InlineData("nameserver 127.0.0.53\n", "nameserver 127.0.0.1\n", "", "--dns-forward 169.254.53.53 and told")]
    [InlineData("nameserver ::1\n", null, null, "")]
    public void Servers_behind_a_resolver_on_a_loopback_address_are_told(string? own, string? resolved, string? manager, string expected)
    {
        Dictionary<string, string?> files = new() { [Own] = own, [Resolved] = resolved, [Manager] = manager };

        ResolverPlan plan = HostResolvers.Plan(file => files[file]);

        Assert.Equal(expected, string.Join(' ', plan.Offered is null ? plan.Arguments : [.. plan.Arguments, "and told"]));
        Assert.True(plan.Offered is null || plan.Offered.ToString() == HostResolvers.Forwarded);
    }

    [SkippableTheory]
    [InlineData("nameserver 198.51.100.7\nnameserver 2001:db8::2\n", "198.51.100.7")]
    [InlineData(null, "169.254.53.53")]
    public void Passt_takes_them(string? resolved, string expected)
    {
        Skip.IfNot(File.Exists("/usr/bin/passt"), "passt is not installed");
        IReadOnlyList<string> arguments =
            HostResolvers.Plan(file => file == Own ? "nameserver 127.0.0.53\n" : file == Resolved ? resolved : null).Arguments;
        string folder = Directory.CreateTempSubdirectory("psvm-passt-").FullName;
        try
        {
            // What it makes of them stands in what it says when it begins; with a socket where nobody comes it ends by itself when it is
            // told to.
            ProcessStartInfo start = new(
                "/usr/bin/passt", ["--foreground", "--no-map-gw", "--socket", Path.Combine(folder, "s"), "--stderr", .. arguments])
            {
                RedirectStandardError = true,
            };
            using Process passt = Process.Start(start)!;
            using CancellationTokenSource patience = new(TimeSpan.FromSeconds(30));
            patience.Token.Register(() => passt.Kill());
            List<string> said = [];
            while (passt.StandardError.ReadLine() is { } line)
            {
                said.Add(line);
                if (line.Contains("You can now start", StringComparison.Ordinal))
                {
                    passt.Kill();
                }
            }

            Skip.If(
                said.Exists(line => line.Contains("routable", StringComparison.Ordinal)), "the host has no network with a default route");
            Assert.DoesNotContain(
                said, line => line.Contains("Cannot use", StringComparison.Ordinal) || line.Contains("Invalid", StringComparison.Ordinal));
            Assert.True(
                resolved is null || said.Exists(line => line.Contains(expected, StringComparison.Ordinal)), string.Join('\n', said));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
