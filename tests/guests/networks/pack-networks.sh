#!/bin/sh
# Packs the guest that bench network measures: pack-networks.sh DIR [OUTPUT]. DIR is what get-linux.sh made; OUTPUT is DIR/networks.cpio unless named.
# Needs Debian's cross compiler (gcc-riscv64-linux-gnu).
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
exec "$here/../pack-load.sh" "$here/net-init" "$here/netload.c" "$1" "${2:-$1/networks.cpio}"
