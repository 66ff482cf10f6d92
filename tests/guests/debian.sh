# What takes packages of Debian trixie for riscv64 out of the mirror that the machine's own apt configuration names, verified, by way of an apt
# state of its own: nothing on the machine is changed, and no privileges are needed. To be sourced by a bash script that has set -euo pipefail.
#   debian_begin DIR      a work folder in DIR, which is $work from here on and goes when the script ends
#   debian_mirror         finds the mirror, and reads its list of packages; $mirror is its address
#   trixie TOOL ...       an apt tool that knows nothing but trixie's riscv64 packages there
#   download PACKAGE N-OF-ALL, take PACKAGE PATTERN NAME, take_modules PACKAGE MODULE..., debian_kernel
# Says on stderr what it does and how far it is: in one line that changes on a terminal, else in lines of their own.
export LC_ALL=C
me=$(basename "$0")

die() {
    say_over "$*"
    exit 1
}

# Where the mirror is, is the machine's matter.
without_hosts() { sed -E 's,[a-z+]+://[^/ ]+,the mirror,g; s,[a-z0-9-]+(\.[a-z0-9-]+)+:[0-9]+,the mirror,g'; }

# A line that the next one takes the place of, on a terminal; elsewhere a line.
if [ -t 2 ]; then
    say() { printf '\r\033[K%s: %s' "$me" "$*" >&2; }
    say_over() { printf '\r\033[K%s: %s\n' "$me" "$*" >&2; }
    every=1
else
    say() { echo "$me: $*" >&2; }
    say_over() { say "$@"; }
    every=25
fi

# Says how far a download is, from what apt says to its Status-Fd: dlstatus:FILE:PERCENT:WORDS. Source: apt, README.progress-reporting.
show_percents() {
    local kind percent shown=0
    while IFS=: read -r kind _ percent _; do
        percent=${percent%%.*}
        if [ "$kind" = dlstatus ] && [ "$percent" -ge $((shown + every)) ]; then
            shown=$((percent - percent % every))
            say "$1: $shown %"
        fi
    done
}

debian_begin() {
    local tool
    for tool in apt-get dpkg-deb; do
        command -v $tool >/dev/null || die "$tool is not installed; it is in Debian's and Ubuntu's package ${tool%%-*}"
    done
    work=$(mktemp -d -p "$1")
    trap 'rm -rf "$work"' EXIT

    # The machine's apt settings (proxies, credentials, certificates) hold, but for where the state is and what runs after an update.
    mkdir -p "$work/state/lists/partial" "$work/cache/archives/partial" "$work/none"
    : >"$work/status"
    cat >"$work/apt.conf" <<CONF
#clear APT::Architectures;
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
APT::Architecture "riscv64";
APT::Architectures { "riscv64"; };
APT::Sandbox::User "root";
Acquire::Retries "3";
Dir::State "$work/state";
Dir::State::status "$work/status";
Dir::Cache "$work/cache";
CONF
}

# The base addresses of the Debian archives that the machine's sources name.
mirrors() {
    apt-get -c "$work/apt.conf" update --print-uris 2>/dev/null |
        sed -nE "s,^'(.*)/dists/(stable|oldstable|testing|unstable|sid|bullseye|bookworm|trixie|forky)/(In)?Release'.*,\1,p" | sort -u
}

# An apt tool that knows nothing but trixie's riscv64 packages at one mirror.
trixie() {
    local tool=$1
    shift
    "$tool" -c "$work/apt.conf" -o Dir::Etc::sourcelist="$work/trixie.list" -o Dir::Etc::sourceparts="$work/none" \
        -o Dir::Etc::preferencesparts="$work/none" -qq "$@"
}

use_mirror() {
    local keyring
    for keyring in /usr/share/keyrings/debian-archive-keyring.pgp /usr/share/keyrings/debian-archive-keyring.gpg; do
        [ -e "$keyring" ] && break
    done
    [ -e "$keyring" ] || die "no keys to verify Debian's packages with; install the package debian-archive-keyring"
    echo "deb [arch=riscv64 target=Packages signed-by=$keyring] $1 trixie main" >"$work/trixie.list"
    say "read the list of Debian trixie's packages for riscv64"
    trixie apt-get -o APT::Status-Fd=3 update --error-on=any 2>"$work/errors" 3>&1 >/dev/null | show_percents "read the list of packages"
}

# Downloads a package: download PACKAGE NUMBER-OF-ALL.
download() {
    local bytes text
    bytes=$(trixie apt-cache show --no-all-versions "$1" | sed -n 's/^Size: //p')
    text="get $1, $(((bytes + 999999) / 1000000)) MB ($2)"
    say "$text"
    (cd "$work" && trixie apt-get -o APT::Status-Fd=3 download "$1" 2>"$work/errors" 3>&1 >/dev/null | show_percents "$text") || {
        without_hosts <"$work/errors" | while read -r line; do say_over "$line"; done
        die "cannot download $1"
    }
    mkdir "$work/$1"
}

debian_mirror() {
    mirror=
    for candidate in $(mirrors); do
        use_mirror "$candidate" && mirror=$candidate && return
    done
    [ -s "$work/errors" ] && without_hosts <"$work/errors" | while read -r line; do say_over "$line"; done
    die "no Debian mirror of the machine's apt sources gives trixie's packages for riscv64 (tried: $(mirrors | wc -l))"
}

# The name of the current kernel's package, which is all that linux-image-riscv64 holds.
debian_kernel() {
    local kernel
    kernel=$(trixie apt-cache show --no-all-versions linux-image-riscv64 | sed -n 's/^Depends: \(linux-image-[^ ,]*\).*/\1/p')
    [ -n "$kernel" ] || die "cannot tell which kernel linux-image-riscv64 stands for"
    echo "$kernel"
}

# Puts one file of a package into the work folder: take PACKAGE PATTERN NAME.
take() {
    dpkg-deb --fsys-tarfile "$work/$1"_*.deb | tar -x -C "$work/$1" --wildcards "$2" || die "$1 has no file like $2"
    mv "$work/$1"/$2 "$work/$3"
}

# Puts modules of a kernel into the folder modules of the work folder: take_modules PACKAGE MODULE...
take_modules() {
    local package=$1 module patterns
    shift
    patterns=("${@/#/*/}")
    patterns=("${patterns[@]/%/.ko.xz}")
    dpkg-deb --fsys-tarfile "$work/$package"_*.deb | tar -x -C "$work/$package" --wildcards "${patterns[@]}" || true
    mkdir "$work/modules"
    for module in "$@"; do
        find "$work/$package" -name "$module.ko.xz" -exec mv {} "$work/modules" \;
        [ -s "$work/modules/$module.ko.xz" ] || die "$package has no module $module"
    done
}
