#!/usr/bin/env bash
# Takes programs that the workloads time out of Debian trixie's riscv64 packages: get-programs.sh DIR
# DIR/programs/bin   gzip, xz, lua5.4 and sqlite3, as Debian builds them: dynamically linked
# DIR/programs/lib   the loader and the libraries that they need
# pack-workloads.sh DIR packs them where they are. Needs what get-linux.sh needs, and does nothing where they are complete.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/../debian.sh"

dir=${1:?usage: get-programs.sh DIR}
lib=./usr/lib/riscv64-linux-gnu
# Each file as PACKAGE PATTERN NAME.
files="gzip ./usr/bin/gzip bin/gzip
xz-utils ./usr/bin/xz bin/xz
lua5.4 ./usr/bin/lua5.4 bin/lua5.4
sqlite3 ./usr/bin/sqlite3 bin/sqlite3
libc6 $lib/ld-linux-riscv64-lp64d.so.1 lib/ld-linux-riscv64-lp64d.so.1
libc6 $lib/libc.so.6 lib/libc.so.6
libc6 $lib/libm.so.6 lib/libm.so.6
liblzma5 $lib/liblzma.so.5.* lib/liblzma.so.5
libsqlite3-0 $lib/libsqlite3.so.0.* lib/libsqlite3.so.0
libreadline8t64 $lib/libreadline.so.8.* lib/libreadline.so.8
libtinfo6 $lib/libtinfo.so.6.* lib/libtinfo.so.6
zlib1g $lib/libz.so.1.* lib/libz.so.1"

is_complete() {
    local name
    while read -r _ _ name; do
        [ -s "$dir/programs/$name" ] || return 1
    done <<<"$files"
}

is_complete && exit 0
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
debian_begin "$dir"
debian_mirror
mapfile -t packages < <(cut -d ' ' -f 1 <<<"$files" | sort -u)
for i in "${!packages[@]}"; do
    download "${packages[i]}" "$((i + 1)) of ${#packages[@]}"
done

mkdir -p "$work/programs/bin" "$work/programs/lib"
while read -r package pattern name; do
    take "$package" "$pattern" "programs/$name"
    chmod 755 "$work/programs/$name"
done <<<"$files"
rm -rf "$dir/programs"
mv "$work/programs" "$dir"
say_over "made $dir/programs"
