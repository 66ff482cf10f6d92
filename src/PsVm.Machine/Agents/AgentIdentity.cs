using System.Globalization;
using System.Net;
using System.Text.RegularExpressions;
using PsVm.Machine.Devices.Networks;

namespace PsVm.Machine.Agents;

/// <summary>Turns an identity into a command of the guest's shell. It stands on /bin/sh and, for the keys of SSH, on ssh-keygen.</summary>
internal static partial class AgentIdentity
{
    private const string HostName = """
        echo "$1" > /proc/sys/kernel/hostname
        mkdir -p /etc
        echo "$1" > /etc/hostname
        grep -qwF -- "$1" /etc/hosts 2>/dev/null || echo "127.0.1.1 $1" >> /etc/hosts

        """;

    // systemd reads it once; programs that ask later get the new one.
    private const string MachineId = """
        mkdir -p /etc
        echo "$2" > /etc/machine-id
        if [ -f /var/lib/dbus/machine-id ] && [ ! -L /var/lib/dbus/machine-id ]; then echo "$2" > /var/lib/dbus/machine-id; fi

        """;

    private const string SshHostKeys = """
        command -v ssh-keygen >/dev/null || { echo 'there is no ssh-keygen' >&2; exit 127; }
        rm -f /etc/ssh/ssh_host_*
        ssh-keygen -A >/dev/null
        if command -v systemctl >/dev/null; then systemctl try-restart ssh.service || true; fi

        """;

    private const string FindAdapter = """
        find_adapter() {
            for there in /sys/class/net/*; do
                if [ -e "$there/device" ] && [ "$(cat "$there/address")" = "$1" ]; then echo "${there##*/}"; return; fi
            done
            return 1
        }

        """;

    // The address that IPv6 makes of it goes with it, or all clones have the same.
    private const string AdapterIs = """
        set_adapter() {
            device=$(find_adapter "$1") || return 0
            ip link set dev "$device" address "$2"
            if ip -6 address del "$3/64" dev "$device" 2>/dev/null; then ip -6 address add "$4/64" dev "$device" 2>/dev/null || true; fi
        }

        """;

    private const string Address = """
        device=$(find_adapter "$4") || { echo 'there is no network adapter' >&2; exit 1; }
        ip address flush dev "$device" scope global
        ip address add "$5" dev "$device"
        ip link set dev "$device" up
        if [ -n "$6" ]; then ip route replace default via "$6" dev "$device"; fi

        """;

    // Keys take seconds of a hart's time each, and ten clones on a busy host took minutes.
    private static readonly TimeSpan s_timeout = TimeSpan.FromMinutes(10);

    /// <summary>Throws when no guest can have an identity.</summary>
    /// <exception cref="GuestException">Its host name or an address is none (<see cref="GuestErrorIds.GuestIdentityInvalid"/>).</exception>
    public static void Check(CloneIdentity? identity, string? guest)
    {
        if (identity?.HostName is { Length: > 0 } name && !OfHost().IsMatch(name))
        {
            throw Wrong(name, guest);
        }

        bool isAddress = identity?.Address is not { } address ? identity?.Gateway is null : IsAddress(address);
        if (!isAddress || (identity?.Gateway is { } gateway && !IPAddress.TryParse(gateway, out _)))
        {
            throw WrongAddress(identity!, guest);
        }
    }

    /// <summary>Throws when no guest can have an identity with a number.</summary>
    /// <exception cref="GuestException">
    /// Its host name or its address is none, or no composite format (<see cref="GuestErrorIds.GuestIdentityInvalid"/>).
    /// </exception>
    public static void CheckNumbered(CloneIdentity? identity, string? pool)
    {
        try
        {
            Check(identity?.WithNumber(1), pool);
        }
        catch (FormatException)
        {
            throw identity!.HostName is { } name ? Wrong(name, pool) : WrongAddress(identity, pool);
        }
    }

    /// <summary>The command.</summary>
    /// <param name="identity">What is to be.</param>
    /// <param name="guest">The guest's name.</param>
    /// <param name="uuid">The guest's UUID.</param>
    /// <param name="adapters">Its network adapters.</param>
    public static GuestCommand ToCommand(CloneIdentity identity, string guest, Guid uuid, IReadOnlyList<AdapterAddress> adapters)
    {
        AdapterAddress[] set = [.. adapters.Where(adapter => adapter.IsToBeSet)];
        string text = "set -e\n"
            + (set.Length > 0 || identity.Address is not null ? FindAdapter : "")
            + (set.Length > 0 ? AdapterIs : "")
            + string.Concat(
                set.Select(adapter => $"set_adapter {adapter.From} {adapter.To} {adapter.From.LinkLocal} {adapter.To.LinkLocal}\n"))
            + (identity.Address is null ? "" : Address)
            + (identity.HostName is null ? "" : HostName)
            + (identity.MachineId ? MachineId : "")
            + (identity.SshHostKeys ? SshHostKeys : "")
            + (identity.Script is null ? "" : "exec /bin/sh -c \"$3\" sh \"$1\"\n");
        string name = identity.HostName is { Length: > 0 } host ? host : guest;
        string first = adapters.Count > 0 ? adapters[0].To.ToString() : "none";
        return GuestCommand.Shell(
            text, name, uuid.ToString("n"), identity.Script ?? "", first, identity.Address ?? "", identity.Gateway ?? "")
            with { Timeout = s_timeout };
    }

    private static GuestException Wrong(string hostName, string? guest) => new(
        GuestErrorIds.GuestIdentityInvalid,
        $"Expected a host name of 1 to 63 letters, digits, '-', '.' and '_', found '{VisibleText.Of(hostName)}'.",
        guest,
        "Write it like 'web-{0:d2}', in which {0} is the number of the clone.");

    private static GuestException WrongAddress(CloneIdentity identity, string? guest) => new(
        GuestErrorIds.GuestIdentityInvalid,
        "Expected an address with the length of its prefix, and a gateway with it at most, found "
        + $"'{VisibleText.Of(identity.Address ?? "none")}' and "
        + $"'{VisibleText.Of(identity.Gateway ?? "none")}'.",
        guest,
        "Write it like '10.0.0.{0}/24', in which {0} is the number of the clone, and the gateway like '10.0.0.254'.");

    /// <summary>Such as <c>10.0.0.1/24</c>.</summary>
    private static bool IsAddress(string text) =>
        text.Split('/') is [var address, var length] && IPAddress.TryParse(address, out IPAddress? parsed)
        && int.TryParse(length, NumberStyles.None, CultureInfo.InvariantCulture, out int bits)
            && bits <= 8 * parsed.GetAddressBytes().Length;

    [GeneratedRegex(@"\A[A-Za-z0-9][A-Za-z0-9._-]{0,62}\z")]
    private static partial Regex OfHost();
}

/// <summary>What a guest's driver takes for the address of an adapter, and what it is.</summary>
internal readonly record struct AdapterAddress(MacAddress From, MacAddress To)
{
    /// <summary>They differ, as in a clone.</summary>
    public bool IsToBeSet => From != To;
}
