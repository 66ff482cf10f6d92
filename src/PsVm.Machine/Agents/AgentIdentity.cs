using System.Text.RegularExpressions;

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

    private static readonly TimeSpan s_timeout = TimeSpan.FromMinutes(2);

    /// <summary>Throws when no guest can have an identity.</summary>
    /// <exception cref="GuestException">Its host name is none (<see cref="GuestErrorIds.GuestIdentityInvalid"/>).</exception>
    public static void Check(CloneIdentity? identity, string? guest)
    {
        if (identity?.HostName is { Length: > 0 } name && !OfHost().IsMatch(name))
        {
            throw Wrong(name, guest);
        }
    }

    /// <summary>Throws when no guest can have an identity with a number.</summary>
    /// <exception cref="GuestException">Its host name is none, or no composite format (<see cref="GuestErrorIds.GuestIdentityInvalid"/>).</exception>
    public static void CheckNumbered(CloneIdentity? identity, string? pool)
    {
        try
        {
            Check(identity?.WithNumber(1), pool);
        }
        catch (FormatException)
        {
            throw Wrong(identity!.HostName!, pool);
        }
    }

    /// <summary>The command.</summary>
    /// <param name="identity">What is to be.</param>
    /// <param name="guest">The guest's name.</param>
    /// <param name="uuid">The guest's UUID.</param>
    public static GuestCommand ToCommand(CloneIdentity identity, string guest, Guid uuid)
    {
        string text = "set -e\n"
            + (identity.HostName is null ? "" : HostName)
            + (identity.MachineId ? MachineId : "")
            + (identity.SshHostKeys ? SshHostKeys : "")
            + (identity.Script is null ? "" : "exec /bin/sh -c \"$3\" sh \"$1\"\n");
        string name = identity.HostName is { Length: > 0 } host ? host : guest;
        return GuestCommand.Shell(text, name, uuid.ToString("n"), identity.Script ?? "") with { Timeout = s_timeout };
    }

    private static GuestException Wrong(string hostName, string? guest) => new(
        GuestErrorIds.GuestIdentityInvalid,
        $"Expected a host name of 1 to 63 letters, digits, '-', '.' and '_', found '{VisibleText.Of(hostName)}'.",
        guest,
        "Write it like 'web-{0:d2}', in which {0} is the number of the clone.");

    [GeneratedRegex(@"\A[A-Za-z0-9][A-Za-z0-9._-]{0,62}\z")]
    private static partial Regex OfHost();
}
