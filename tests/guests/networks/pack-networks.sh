#!/bin/sh
# Packs the guest that bench network measures: pack-networks.sh DIR [OUTPUT]. DIR is what get-linux.sh made; OUTPUT is DIR/networks.cpio unless named.
# Needs Debian's cross compiler (gcc-riscv64-linux-gnu).
set -eu
export LC_ALL=C
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
output=${2:-$1/networks.cpio}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/root" "$work/root/bin"
cp "$here/net-init" "$work/root/net-init"
riscv64-linux-gnu-gcc -march=rv64gc -static -O2 -std=gnu11 -Wall -Wextra -Werror -o "$work/root/bin/netload" "$here/netload.c"
chmod 755 "$work/root" "$work/root/bin" "$work/root/bin/netload" "$work/root/net-init"
(cd "$work/root" && find . | sort | cpio -o -H newc -R 0:0 --quiet) >"$work/more.cpio"
cat "$1/initramfs.cpio" "$work/more.cpio" >"$work/networks.cpio"
mv "$work/networks.cpio" "$output"
