#!/bin/sh
# Packs the workloads: pack-workloads.sh DIR [OUTPUT]. DIR is what get-linux.sh made; OUTPUT is DIR/workloads.cpio unless named.
# What get-programs.sh made there, if it did, is packed with it.
set -eu
export LC_ALL=C
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
output=${2:-$1/workloads.cpio}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/root" "$work/root/bin"
cp "$1/busybox" "$work/root/bin/busybox"
cp "$here/init" "$work/root/init"
"$here/build.sh" "$work/root/bin/workloads"
if [ -d "$1/programs" ]; then
    cp -r "$1/programs/." "$work/root"
    cp -r "$here/scripts" "$work/root/share"
    CC='riscv64-linux-gnu-gcc -march=rv64gc' "$here/build.sh" "$work/root/bin/workloads-dynamic"
fi
chmod -R u=rwX,go=rX "$work/root"
chmod 755 "$work/root/bin/busybox" "$work/root/bin/workloads" "$work/root/init"
(cd "$work/root" && find . | sort | cpio -o -H newc -R 0:0 --quiet) >"$work/workloads.cpio"
mv "$work/workloads.cpio" "$output"
