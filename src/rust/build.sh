#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds the Rust crate (Wasmtime's C API, httparse, toml) into a prefix outside the checkout and
# prints that prefix. Nothing is done when the prefix for these very sources is there already.
#   build.sh CACHE_DIR
set -eu
cache=$1
here=$(cd "$(dirname "$0")" && pwd)
need=1.95

# A rustc that is new enough: the first on PATH, or Debian's rustc-web in /usr/bin.
new_enough() {
    v=$("$1" --version 2>/dev/null | cut -d' ' -f2) || return 1
    [ -n "$v" ] && [ "$(printf '%s\n%s\n' "$need" "$v" | sort -V | head -n1)" = "$need" ]
}
if new_enough rustc; then
    cargo=cargo
elif new_enough /usr/bin/rustc; then
    cargo=/usr/bin/cargo
    export RUSTC=/usr/bin/rustc
else
    echo "edgectl needs rustc $need or newer (Debian 12: rustc-web and cargo-web); run 'make deps'" >&2
    exit 1
fi

key=$(cd "$here" && cat Cargo.toml Cargo.lock build.sh src/*.rs edgectl_rs.h | sha256sum | cut -c1-16)
prefix=$cache/wasmtime-$key
if [ ! -e "$prefix/.done" ]; then
    mkdir -p "$cache"
    exec 9>"$cache/.build-lock"
    flock 9
    if [ ! -e "$prefix/.done" ]; then
        echo "building Wasmtime's C API, once for this machine (4 to 8 minutes on 2 cores) ..." >&2
        export CARGO_TARGET_DIR="$cache/target"
        (cd "$here" && $cargo build --release --locked >&2)
        capi=$(cd "$here" && $cargo metadata --locked --format-version 1 |
            grep -o '"manifest_path":"[^"]*wasmtime-c-api-impl[^"]*Cargo.toml"' | head -n1 |
            sed 's/.*:"//; s/"$//; s,/Cargo.toml$,,')
        mkdir -p "$prefix/lib" "$prefix/include"
        cp "$CARGO_TARGET_DIR/release/libedgectl_rs.a" "$prefix/lib/"
        cp -R "$capi/include/." "$prefix/include/"
        cp "$here/edgectl_rs.h" "$prefix/include/"
        # conf.h says which features the library was built with.
        features=$(sed -n '/wasmtime-c-api-impl/,/\]/p' "$here/Cargo.toml" | grep -o '"[a-z-]*"' | tr -d '"')
        sed 's/^#cmakedefine \(.*\)$/\/* #undef \1 *\//' "$capi/include/wasmtime/conf.h.in" >"$prefix/conf.tmp"
        for f in $features; do
            name=WASMTIME_FEATURE_$(echo "$f" | tr a-z- A-Z_)
            sed -i "s,/\* #undef $name \*/,#define $name," "$prefix/conf.tmp"
        done
        mv "$prefix/conf.tmp" "$prefix/include/wasmtime/conf.h"
        touch "$prefix/.done"
    fi
fi
echo "$prefix"
