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

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/debian.sh"

dir=${1:?usage: get-linux.sh DIR}
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
command -v cpio >/dev/null || die "cpio is not installed; it is in Debian's and Ubuntu's package cpio"
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
debian_begin "$dir"

if ! has_packages; then
    debian_mirror
    kernel=$(debian_kernel)
    download busybox-static '1 of 3'
    download "$kernel" '2 of 3'
    download opensbi '3 of 3'
    say 'unpack them'
    take busybox-static './usr/bin/busybox' busybox
    take "$kernel" './boot/vmlinu?-*' Image
    take_modules "$kernel" "${modules[@]}"
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
