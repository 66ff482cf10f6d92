using System.Globalization;

namespace PsVm.Machine.Tests.Templates;

/// <summary>
/// Debian's driver on hubs: guests that reach each other, checkpoints under load, and clones with addresses of their own.
/// </summary>
public sealed class LinuxNetworkTests : TemplateTest
{
    private const int MiB = 1 << 20;

    /// <summary>What two guests move; more by hand: PSVM_TEST_NETWORK_MIB=100.</summary>
    private static int Size => Number("PSVM_TEST_NETWORK_MIB", 8);

    [SkippableFact]
    public void Two_guests_on_a_hub_reach_each_other_and_move_what_is_whole()
    {
        string one = Boot(OptionsOrSkip("10.1.0.1"));
        string two = Boot(OptionsOrSkip("10.1.0.2"));

        Assert.Contains("1 packets received", Run(two, "ping -c 1 -W 60 10.1.0.1"), StringComparison.Ordinal);
        Assert.Contains("1 packets received", Run(one, "ping -c 1 -W 60 -s 4000 10.1.0.2"), StringComparison.Ordinal); // in three fragments
        string sum = Serve(one, Size);
        Assert.Equal(sum, Run(two, "wget -q -O - http://10.1.0.1/data | md5sum | cut -c1-32"));
        Assert.Equal(sum, Run(two, "ethtool -K eth0 tso off 2>/dev/null; wget -q -O - http://10.1.0.1/data | md5sum | cut -c1-32"));

        GuestNetworkAdapter sender = Host.Get(one).Networks[0], receiver = Host.Get(two).Networks[0];
        Assert.True(
            sender.SentBytes >= 2L * Size * MiB && receiver.ReceivedBytes >= 2L * Size * MiB,
            $"{sender.SentBytes}, {receiver.ReceivedBytes}");
        Assert.Equal((0, 0), (sender.SentSpoofed, receiver.SentSpoofed));
        Assert.True(sender.SentPackets < sender.SentBytes / 1500, "segments are left to others");
        Assert.Equal("", Complaints(two));
    }

    [SkippableFact]
    public void A_guest_has_the_address_that_the_host_says_and_no_other()
    {
        string one = Boot(OptionsOrSkip("10.1.0.1"));
        string two = Boot(OptionsOrSkip("10.1.0.2"));
        string mac = Host.Get(one).Networks[0].Mac;

        Assert.Equal(mac, Run(one, "cat /sys/class/net/eth0/address"));
        Assert.Equal("1500", Run(one, "cat /sys/class/net/eth0/mtu"));
        Assert.NotEqual("0", Run(two, $"ip link set eth0 address {mac} 2>/dev/null; echo $?"));
        Assert.NotEqual("0", Run(two, "ip link set eth0 address 02:00:00:00:00:09 2>/dev/null; echo $?"));
        Assert.Contains("1 packets received", Run(two, "ping -c 1 -W 60 10.1.0.1"), StringComparison.Ordinal);

        // A reboot has the same, and is reached again.
        Reboot(one);
        Assert.Equal(mac, Run(one, "cat /sys/class/net/eth0/address"));
        Assert.Contains("1 packets received", Run(two, "ping -c 1 -W 60 10.1.0.1"), StringComparison.Ordinal);
    }

    /// <summary>More rounds by hand: PSVM_TEST_NETWORK_ROUNDS=100.</summary>
    [SkippableFact]
    public void A_checkpoint_while_packets_come_and_go_loses_no_byte()
    {
        string one = Boot(OptionsOrSkip("10.1.0.1"));
        string two = Boot(OptionsOrSkip("10.1.0.2"));
        string sum = Serve(one, Size);
        for (int round = 0; round < Number("PSVM_TEST_NETWORK_ROUNDS", 3); round++)
        {
            string checkpointed = round % 2 == 0 ? two : one;
            long bytes = Host.Get(two).Networks[0].ReceivedBytes;
            Host.WriteConsole(
                two, $"(wget -q -O /tmp/got http://10.1.0.1/data; md5sum </tmp/got | cut -c1-32 >/tmp/sum; echo got{round}''.) &\n");
            Assert.True(SpinWait.SpinUntil(() => Host.Get(two).Networks[0].ReceivedBytes > bytes + (Size * MiB / 10), Patience));

            GuestTemplate template = Make(checkpointed, new CheckpointOptions { Path = At($"t{round}") });
            WaitFor(two, $"got{round}.");
            Assert.Equal(sum, Run(two, "cat /tmp/sum"));

            // A clone of that moment, whose peer knows nothing of it, is none the worse.
            if (round == 0)
            {
                string clone = Clone(
                    new GuestOptions { Template = template.Path, Networks = [new() { Backend = NetworkBackend.Hub, Hub = "elsewhere" }] });
                Assert.Equal("", Complaints(clone));
                End(clone);
            }

            Directory.Delete(template.Path, recursive: true);
        }

        Assert.Equal("", Complaints(one));
    }

    [SkippableFact]
    public async Task An_address_is_waited_for_until_there_is_one_that_others_can_mean()
    {
        string guest = Boot(OptionsOrSkip("10.1.0.1"));
        Assert.True(await Host.Agents.WaitForAddressAsync(guest, Patience));
        Run(guest, "ip addr flush dev eth0; ip addr add 169.254.1.2/16 dev eth0");
        Assert.True(await Host.Agents.WaitAsync(guest, Patience));
        Assert.False(await Host.Agents.WaitForAddressAsync(guest, TimeSpan.FromMilliseconds(300)));

        Task<bool> wait = Host.Agents.WaitForAddressAsync(guest, Patience);
        Run(guest, "ip addr add 10.1.0.1/24 dev eth0");
        Assert.True(await wait);
    }

    [SkippableFact]
    public async Task Clones_have_addresses_of_their_own_and_see_each_other_and_the_guest_that_they_are_of()
    {
        string guest = Boot(OptionsOrSkip("10.1.0.100"));
        Run(guest, "ping -c 1 10.1.0.100"); // and the agent is there
        Assert.True(await Host.Agents.WaitAsync(guest, Patience));
        GuestTemplate template = Make(guest, new CheckpointOptions { Path = At("t") });
        string[] clones =
        [
            .. Enumerable.Range(1, 3).Select(number => Clone(new GuestOptions
            {
                Template = template.Path,
                Identity = new CloneIdentity { Address = $"10.1.0.{number}/24", Gateway = "10.1.0.100", HostName = "" },
            })),
        ];
        foreach (string clone in clones)
        {
            Assert.True(await Host.Agents.WaitAsync(clone, Patience));
            Assert.Equal(GuestIdentityState.Applied, Host.Get(clone).IdentityState);
            Assert.Equal(Host.Get(clone).Networks[0].Mac, Run(clone, "cat /sys/class/net/eth0/address"));
            Assert.Equal("10.1.0.100", Run(clone, "ip route | sed -n 's/default via \\([^ ]*\\).*/\\1/p'"));
        }

        Assert.Equal(4, clones.Append(guest).Select(name => Host.Get(name).Networks[0].Mac).Distinct().Count());
        foreach ((string from, int to) in new[] { (clones[0], 2), (clones[1], 3), (clones[2], 1), (clones[2], 100) })
        {
            Assert.Contains("1 packets received", Run(from, $"ping -c 1 -W 60 10.1.0.{to}"), StringComparison.Ordinal);
        }

        // IPv6's address of the link is another one, too.
        string[] LinkAddresses() =>
            [.. clones.Append(guest).Select(name => Run(name, "ip -6 address show dev eth0 | sed -n 's/.*inet6 \\(fe80[^/]*\\).*/\\1/p'"))];
        Assert.True(
            SpinWait.SpinUntil(() => LinkAddresses().Where(address => address.Length > 0).Distinct().Count() == 4, Patience),
            string.Join(", ", LinkAddresses())); // the kernel makes them anew in its own time

        Host.Reset(clones[0]);
        Assert.True(await Host.Agents.WaitAsync(clones[0], Patience));
        Assert.Contains("1 packets received", Run(clones[1], "ping -c 1 -W 60 10.1.0.1"), StringComparison.Ordinal);

        // Nothing else asked for, the address is set all the same.
        string plain = Clone(
            new GuestOptions { Template = template.Path, Networks = [new() { Backend = NetworkBackend.Hub, Hub = "other" }] });
        Assert.True(await Host.Agents.WaitAsync(plain, Patience));
        Assert.Equal(Host.Get(plain).Networks[0].Mac, Run(plain, "cat /sys/class/net/eth0/address"));
        Assert.Equal(GuestErrorIds.GuestIdentityInvalid, Assert.Throws<GuestException>(() => Clone(new GuestOptions
        {
            Template = template.Path, Identity = new CloneIdentity { Address = "10.1.0.1" },
        })).ErrorId);
    }

    private static int Number(string variable, int usual) =>
        int.TryParse(Environment.GetEnvironmentVariable(variable), CultureInfo.InvariantCulture, out int number) ? number : usual;

    /// <summary>Has a guest offer random bytes by HTTP.</summary>
    /// <returns>Their checksum.</returns>
    private string Serve(string guest, int size)
    {
        Run(guest, $"dd if=/dev/urandom of=/tmp/data bs=1M count={size} 2>/dev/null; httpd -p 80 -h /tmp");
        return Run(guest, "md5sum </tmp/data | cut -c1-32");
    }

    private void Reboot(string guest)
    {
        long position = Host.ReadConsole(guest, 0).NextPosition;
        Host.WriteConsole(guest, "reboot\n");
        Assert.True(
            SpinWait.SpinUntil(() => Host.ReadConsole(guest, position).Text.Contains("GUEST-UP", StringComparison.Ordinal), Patience));
    }

    private static GuestOptions OptionsOrSkip(string address)
    {
        LinuxGuest linux = LinuxGuest.GetOrSkip();
        return new GuestOptions
        {
            Memory = (Size > 32 ? 512 : 128) * MiB,
            Kernel = linux.Kernel,
            Initrd = linux.Initrd,
            CommandLine = $"console=ttyS0 quiet ip={address}/24",
            Networks = [new GuestNetworkOptions { Backend = NetworkBackend.Hub }],
        };
    }
}
