#!/bin/sh
# Adds a program and an init of its own to the guest of get-linux.sh: pack-load.sh INIT SOURCE DIR OUTPUT. DIR is what get-linux.sh made.
# The program has the name of its source, without .c, in /bin. Needs Debian's cross compiler (gcc-riscv64-linux-gnu).
set -eu
export LC_ALL=C
init=$(basename "$1")
program=$(basename "$2" .c)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/root" "$work/root/bin"
cp "$1" "$work/root/$init"
riscv64-linux-gnu-gcc -march=rv64gc -static -O2 -std=gnu11 -Wall -Wextra -Werror -o "$work/root/bin/$program" "$2"
chmod 755 "$work/root" "$work/root/bin" "$work/root/bin/$program" "$work/root/$init"
(cd "$work/root" && find . | sort | cpio -o -H newc -R 0:0 --quiet) >"$work/more.cpio"
cat "$3/initramfs.cpio" "$work/more.cpio" >"$work/packed.cpio"
mv "$work/packed.cpio" "$4"
