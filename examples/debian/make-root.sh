#!/usr/bin/env bash
# Makes what a Debian trixie for riscv64 begins with, out of Debian's packages:
#   make-root.sh DIR SIZE PACKAGE...
# DIR/Image            Debian's kernel: the flat image
# DIR/initramfs.cpio   busybox, the modules that the root file system needs, and init (beside this script), which goes on with /dev/vda
# DIR/root.first       a raw disk of SIZE with an ext4 file system: Debian's essential packages and those that are named, unpacked, and
#                      second-stage (beside this script), which installs them when it is the first process of a guest
# Needs apt, dpkg-deb, cpio and mkfs.ext4, and no privileges: second-stage gives files the owners that they are to have.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/../../tests/guests/debian.sh"

dir=${1:?usage: make-root.sh DIR SIZE PACKAGE...}
size=${2:?usage: make-root.sh DIR SIZE PACKAGE...}
shift 2
modules=(virtio_mmio virtio_blk virtio_net failover net_failover virtio-rng virtio_balloon ext4 jbd2 mbcache crc16 crc32c_generic)

export PATH=$PATH:/usr/sbin:/sbin
for tool in cpio:cpio mkfs.ext4:e2fsprogs; do
    command -v "${tool%:*}" >/dev/null || die "${tool%:*} is not installed; it is in Debian's and Ubuntu's package ${tool#*:}"
done
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
debian_begin "$dir"
debian_mirror

# apt finds out what else they need, and gets it in one go.
wanted=(-y -o APT::Install-Recommends=false install '?essential' apt "$@")
count=$(trixie apt-get --print-uris "${wanted[@]}" 2>"$work/errors" | wc -l)
[ "$count" -gt 0 ] || {
    without_hosts <"$work/errors" | while read -r line; do say_over "$line"; done
    die "these packages cannot be installed together: $*"
}
text="get $count packages"
say "$text"
trixie apt-get -o APT::Status-Fd=3 --download-only "${wanted[@]}" 2>"$work/errors" 3>&1 >/dev/null | show_percents "$text" || {
    without_hosts <"$work/errors" | while read -r line; do say_over "$line"; done
    die 'cannot download them'
}
kernel=$(debian_kernel)
download busybox-static 'of the initramfs'
download "$kernel" 'the kernel'

say 'unpack them'
root=$work/root
mkdir "$root"
# base-files first: it has the links /bin, /lib and /sbin.
for package in "$work"/cache/archives/base-files_*.deb "$work"/cache/archives/*.deb; do
    dpkg-deb -x "$package" "$root"
done
rm -rf "$root"/usr/share/{doc,info,locale,man}/*
mkdir -p "$root/var/cache/apt/archives" "$root/var/lib/apt/lists" "$root/etc/dpkg/dpkg.cfg.d"
mv "$work"/cache/archives/*.deb "$root/var/cache/apt/archives"
cp "$work"/state/lists/*_* "$root/var/lib/apt/lists"
cp "$root/usr/share/base-passwd/passwd.master" "$root/etc/passwd"
cp "$root/usr/share/base-passwd/group.master" "$root/etc/group"
printf 'path-exclude=/usr/share/%s/*\n' doc info locale man >"$root/etc/dpkg/dpkg.cfg.d/small"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.pgp] $mirror trixie main" >"$root/etc/apt/sources.list"
cp "$here/second-stage" "$root/second-stage"
chmod 755 "$root/second-stage"

say 'make the disk'
truncate -s "$size" "$work/root.first"
mkfs.ext4 -q -F -d "$root" -E root_owner=0:0 "$work/root.first" || die "there is no room on a disk of $size"
take busybox-static './usr/bin/busybox' busybox
take "$kernel" './boot/vmlinu?-*' Image
take_modules "$kernel" "${modules[@]}"
mkdir -p "$work/initramfs/bin"
mv "$work/busybox" "$work/initramfs/bin"
mv "$work/modules" "$work/initramfs"
cp "$here/init" "$work/initramfs/init"
chmod 755 "$work/initramfs/init" "$work/initramfs/bin/busybox"
(cd "$work/initramfs" && find . | sort | cpio -o -H newc -R 0:0 --quiet) >"$work/initramfs.cpio"
chmod 644 "$work/Image"
mv "$work/Image" "$work/initramfs.cpio" "$work/root.first" "$dir"
say_over "made $dir"
