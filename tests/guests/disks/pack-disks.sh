#!/bin/sh
# Packs the guest that bench disk measures: pack-disks.sh DIR [OUTPUT]. DIR is what get-linux.sh made; OUTPUT is DIR/disks.cpio unless named.
# Needs Debian's cross compiler (gcc-riscv64-linux-gnu).
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
exec "$here/../pack-load.sh" "$here/disk-init" "$here/diskload.c" "$1" "${2:-$1/disks.cpio}"
