#!/bin/sh
# Builds the agent: build.sh [OUTPUT]. The same bytes every time with the same compiler (Debian 12's gcc 12 made the one that is
# committed). Without OUTPUT it replaces the committed binary.
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
output=${1:-$here/psvm-agent}
riscv64-linux-gnu-gcc -march=rv64imac_zicsr_zifencei -mabi=lp64 -mcmodel=medany -Os -std=gnu11 -Wall -Wextra -Werror \
    -ffreestanding -fno-pie -fno-stack-protector -fno-asynchronous-unwind-tables -fno-tree-loop-distribute-patterns \
    -nostdlib -static -no-pie -s -Wl,--build-id=none -Wl,-z,noexecstack -Wl,-z,norelro -o "$output" "$here/start.S" "$here/agent.c"
chmod 755 "$output"
