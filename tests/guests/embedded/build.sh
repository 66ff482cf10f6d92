#!/bin/sh
# Builds the embedded guest: build.sh [OUTPUT]. The same bytes every time with the same compiler (Debian 12's gcc 12 made the one
# that is committed). Without OUTPUT it replaces the committed binary.
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
output=${1:-$here/../../../src/PsVm.Machine/Boot/EmbeddedGuest.elf}
riscv64-linux-gnu-gcc -march=rv64imac_zicsr_zifencei -mabi=lp64 -mcmodel=medany -Os -std=gnu11 -Wall -Wextra -Werror \
    -ffreestanding -fno-pie -fno-stack-protector -fno-asynchronous-unwind-tables -fno-tree-loop-distribute-patterns \
    -nostdlib -static -no-pie -s -Wl,-n -Wl,--build-id=none -Wl,-T,"$here/link.ld" -o "$output" "$here/start.S" "$here/guest.c"
chmod 644 "$output"
