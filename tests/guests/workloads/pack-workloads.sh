#!/bin/sh
# Packs the workloads: pack-workloads.sh DIR [OUTPUT]. DIR is what get-linux.sh made; OUTPUT is DIR/workloads.cpio unless named.
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
chmod 755 "$work/root" "$work/root/bin" "$work/root/bin/busybox" "$work/root/bin/workloads" "$work/root/init"
(cd "$work/root" && find . | sort | cpio -o -H newc -R 0:0 --quiet) >"$work/workloads.cpio"
mv "$work/workloads.cpio" "$output"
