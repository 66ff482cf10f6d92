#!/bin/sh
# Builds the workloads: build.sh OUTPUT. For the guest with Debian's cross compiler; CC=cc makes a program for this machine, whose
# checksums are what the guest's must be.
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
compiler=${CC:-riscv64-linux-gnu-gcc -march=rv64gc -static}
$compiler -O2 -std=gnu11 -Wall -Wextra -Werror -ffp-contract=off -o "$1" "$here"/*.c -lm
