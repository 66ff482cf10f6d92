#!/usr/bin/env bash
# Makes a small Linux guest out of Debian's riscv64 packages:
#   get-linux.sh DIR
# DIR/Image            Debian trixie's kernel: the flat image
# DIR/busybox          Debian trixie's busybox, linked statically
# DIR/initramfs.cpio   busybox and linux/init (beside this script)
# DIR/fw_jump.elf, DIR/fw_dynamic.bin   Debian trixie's OpenSBI
# Needs apt, dpkg-deb and cpio, and no privileges. The packages come, verified, through the mirror that the machine's own apt
# configuration names, by way of an apt state of its own: nothing on the machine is changed. Does nothing where DIR is complete.
set -euo pipefail
export LC_ALL=C

die() {
    echo "get-linux.sh: $*" >&2
    exit 1
}

dir=${1:?usage: get-linux.sh DIR}
init=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/linux/init
has_packages() {
    local file
    for file in Image busybox fw_jump.elf fw_dynamic.bin; do
        [ -s "$dir/$file" ] || return 1
    done
}

has_packages && [ "$dir/initramfs.cpio" -nt "$init" ] && exit 0
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
    trixie apt-get update --error-on=any
}

# Puts one file of a package into DIR, at once: fetch PACKAGE PATTERN NAME.
fetch() {
    if ! [ -d "$work/$1" ]; then
        (cd "$work" && trixie apt-get download "$1") || die "cannot download $1"
        mkdir "$work/$1"
    fi
    dpkg-deb --fsys-tarfile "$work/$1"_*.deb | tar -x -C "$work/$1" --wildcards "$2" || die "$1 has no file like $2"
    mv "$work/$1"/$2 "$work/$3"
}

if ! has_packages; then
    found=
    for mirror in $(mirrors); do
        use_mirror "$mirror" 2>"$work/errors" && found=$mirror && break
    done
    if [ -z "$found" ]; then
        [ -s "$work/errors" ] && cat "$work/errors" >&2
        die "no Debian mirror of the machine's apt sources gives trixie's packages for riscv64 (tried: $(mirrors | tr '\n' ' '))"
    fi
    # linux-image-riscv64 holds nothing but the name of the current kernel's package.
    kernel=$(trixie apt-cache show --no-all-versions linux-image-riscv64 | sed -n 's/^Depends: \(linux-image-[^ ,]*\).*/\1/p')
    [ -n "$kernel" ] || die "cannot tell which kernel linux-image-riscv64 stands for"
    fetch busybox-static './usr/bin/busybox' busybox
    fetch "$kernel" './boot/vmlinu?-*' Image
    for firmware in fw_jump.elf fw_dynamic.bin; do
        fetch opensbi "./usr/lib/riscv64-linux-gnu/opensbi/generic/$firmware" $firmware
    done
    [ "$(dd if="$work/Image" bs=1 skip=56 count=3 2>/dev/null)" = RSC ] || die "$kernel holds no flat riscv64 Image"
    chmod 644 "$work/Image"
    chmod 755 "$work/busybox"
    mv "$work/busybox" "$work/Image" "$work/fw_jump.elf" "$work/fw_dynamic.bin" "$dir"
fi

# The kernel brings /dev/console itself, so the archive needs no device node, which only root could make.
mkdir -p "$work/root/bin"
cp "$dir/busybox" "$work/root/bin/busybox"
cp "$init" "$work/root/init"
chmod 755 "$work/root" "$work/root/bin" "$work/root/bin/busybox" "$work/root/init"
touch -d @0 "$work/root" "$work/root/bin" "$work/root/bin/busybox" "$work/root/init"
(cd "$work/root" && find . | sort | cpio -o -H newc -R 0:0 --reproducible --quiet) >"$work/initramfs.cpio"
mv "$work/initramfs.cpio" "$dir"
