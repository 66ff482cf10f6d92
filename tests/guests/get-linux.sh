#!/usr/bin/env bash
# Makes a small Linux guest out of Debian's riscv64 packages:
#   get-linux.sh DIR
# DIR/Image            Debian trixie's kernel: the flat image
# DIR/busybox          Debian trixie's busybox, linked statically
# DIR/modules          modules of that kernel that the board's devices need
# DIR/initramfs.cpio   busybox, modules, linux/init, linux/dhcp and agent/psvm-agent (beside this script)
# DIR/fw_jump.elf, DIR/fw_dynamic.bin   Debian trixie's OpenSBI
# Needs apt, dpkg-deb and cpio, and no privileges. The packages come, verified, through the mirror that the machine's own apt
# configuration names, by way of an apt state of its own: nothing on the machine is changed. Does nothing where DIR is complete.
# Says on stderr what it does and how far it is: in one line that changes on a terminal, else in lines of their own.
set -euo pipefail
export LC_ALL=C

die() {
    say_over "$*"
    exit 1
}

# Where the mirror is, is the machine's matter.
without_hosts() { sed -E 's,[a-z+]+://[^/ ]+,the mirror,g; s,[a-z0-9-]+(\.[a-z0-9-]+)+:[0-9]+,the mirror,g'; }

# A line that the next one takes the place of, on a terminal; elsewhere a line.
if [ -t 2 ]; then
    say() { printf '\r\033[Kget-linux.sh: %s' "$*" >&2; }
    say_over() { printf '\r\033[Kget-linux.sh: %s\n' "$*" >&2; }
    every=1
else
    say() { echo "get-linux.sh: $*" >&2; }
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

dir=${1:?usage: get-linux.sh DIR}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
init=$here/linux/init
dhcp=$here/linux/dhcp
agent=$here/agent/psvm-agent
modules=(virtio_mmio virtio_blk virtio-rng virtio_balloon failover net_failover virtio_net netfs 9pnet 9pnet_virtio 9p) # virtio_console, fuse and virtiofs are part of the kernel
has_packages() {
    local file
    for file in Image busybox fw_jump.elf fw_dynamic.bin "${modules[@]/#/modules/}"; do
        [[ $file != modules/* ]] || file=$file.ko.xz
        [ -s "$dir/$file" ] || return 1
    done
}

is_newest() {
    local file
    for file in "$init" "$dhcp" "$agent"; do
        [ "$dir/initramfs.cpio" -nt "$file" ] || return 1
    done
}

has_packages && is_newest && exit 0
for tool in apt-get dpkg-deb cpio; do
    command -v $tool >/dev/null || die "$tool is not installed; it is in Debian's and Ubuntu's package ${tool%%-*}"
done
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
work=$(mktemp -d -p "$dir")
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

# Puts one file of a package into the work folder: take PACKAGE PATTERN NAME.
take() {
    dpkg-deb --fsys-tarfile "$work/$1"_*.deb | tar -x -C "$work/$1" --wildcards "$2" || die "$1 has no file like $2"
    mv "$work/$1"/$2 "$work/$3"
}

# Puts the kernel's modules into the work folder: take_modules PACKAGE.
take_modules() {
    local module patterns=("${modules[@]/#/*/}")
    patterns=("${patterns[@]/%/.ko.xz}")
    dpkg-deb --fsys-tarfile "$work/$1"_*.deb | tar -x -C "$work/$1" --wildcards "${patterns[@]}" || true
    mkdir "$work/modules"
    for module in "${modules[@]}"; do
        find "$work/$1" -name "$module.ko.xz" -exec mv {} "$work/modules" \;
        [ -s "$work/modules/$module.ko.xz" ] || die "$1 has no module $module"
    done
}

if ! has_packages; then
    found=
    for mirror in $(mirrors); do
        use_mirror "$mirror" && found=$mirror && break
    done
    if [ -z "$found" ]; then
        [ -s "$work/errors" ] && without_hosts <"$work/errors" | while read -r line; do say_over "$line"; done
        die "no Debian mirror of the machine's apt sources gives trixie's packages for riscv64 (tried: $(mirrors | wc -l))"
    fi
    # linux-image-riscv64 holds nothing but the name of the current kernel's package.
    kernel=$(trixie apt-cache show --no-all-versions linux-image-riscv64 | sed -n 's/^Depends: \(linux-image-[^ ,]*\).*/\1/p')
    [ -n "$kernel" ] || die "cannot tell which kernel linux-image-riscv64 stands for"
    download busybox-static '1 of 3'
    download "$kernel" '2 of 3'
    download opensbi '3 of 3'
    say 'unpack them'
    take busybox-static './usr/bin/busybox' busybox
    take "$kernel" './boot/vmlinu?-*' Image
    take_modules "$kernel"
    for firmware in fw_jump.elf fw_dynamic.bin; do
        take opensbi "./usr/lib/riscv64-linux-gnu/opensbi/generic/$firmware" $firmware
    done
    [ "$(dd if="$work/Image" bs=1 skip=56 count=3 2>/dev/null)" = RSC ] || die "$kernel holds no flat riscv64 Image"
    chmod 644 "$work/Image"
    chmod 755 "$work/busybox"
    rm -rf "$dir/modules"
    mv "$work/busybox" "$work/Image" "$work/modules" "$work/fw_jump.elf" "$work/fw_dynamic.bin" "$dir"
fi

# The kernel brings /dev/console itself, so the archive needs no device node, which only root could make.
mkdir -p "$work/root/bin" "$work/root/modules"
cp "$dir/busybox" "$work/root/bin/busybox"
cp "$dir"/modules/*.ko.xz "$work/root/modules"
cp "$agent" "$work/root/bin/psvm-agent"
cp "$dhcp" "$work/root/bin/dhcp"
cp "$init" "$work/root/init"
chmod 755 "$work/root" "$work/root/bin" "$work"/root/bin/* "$work/root/init" "$work/root/modules"
chmod 644 "$work"/root/modules/*
find "$work/root" -exec touch -d @0 {} +
(cd "$work/root" && find . | sort | cpio -o -H newc -R 0:0 --reproducible --quiet) >"$work/initramfs.cpio"
mv "$work/initramfs.cpio" "$dir"
say_over "made $dir"
