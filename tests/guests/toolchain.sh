# SPDX-License-Identifier: Apache-2.0
# Sourced, with $guests being this folder: finds the compilers that make guests. Each *_toolchain
# function sets up the environment and prints nothing, or says on stderr what is missing and returns 77
# (the "skip" of our tests).

missing() {
    echo "skip: $*" >&2
    return 77
}

# Where wasi-libc keeps crt1-command.o, or nothing.
wasi_lib() {
    for dir in ${WASI_SYSROOT:+"$WASI_SYSROOT/lib/wasm32-wasi"} /usr/lib/wasm32-wasi; do
        [ -f "$dir/crt1-command.o" ] && echo "$dir" && return
    done
}

# The first of the named programs that exists, as a path.
first_program() {
    for program; do
        command -v "$program" && return
    done
}

# Sets WASM_CC: a compiler command for C guests.
c_toolchain() {
    clang=$(first_program clang-19 clang-20 clang-21 clang-22 clang)
    lld=$(first_program wasm-ld-22 wasm-ld-19 wasm-ld)
    [ -n "$clang" ] || missing "no clang (Debian: clang-19)" || return
    [ -n "$lld" ] || missing "no wasm-ld (Debian: lld-22)" || return
    [ -n "$(wasi_lib)" ] || missing "no wasi-libc (Debian: wasi-libc)" || return
    "$clang" --target=wasm32-wasi -print-libgcc-file-name | xargs test -f ||
        missing "no compiler-rt for Wasm (Debian: libclang-rt-19-dev-wasm32)" || return
    WASM_CC="$clang --target=wasm32-wasi -fuse-ld=$lld"
}

# Sets the environment so that a plain `cargo build --target wasm32-wasip1` works: with a rustup
# that has the target, or with Debian's own cargo, which must build std from source.
rust_toolchain() {
    if rustc --print sysroot >/dev/null 2>&1 &&
        [ -d "$(rustc --print sysroot)/lib/rustlib/wasm32-wasip1/lib" ]; then
        return
    fi
    lib=$(wasi_lib)
    [ -x /usr/bin/cargo ] && [ -x /usr/bin/rustc ] ||
        missing "no Rust for wasm32-wasip1 (rustup target add wasm32-wasip1, or Debian's rustc-web)" || return
    [ -d "$(/usr/bin/rustc --print sysroot)/lib/rustlib/src/rust/library/std" ] ||
        missing "no Rust library source (Debian: rust-web-src)" || return
    [ -n "$lib" ] && command -v wasm-ld-22 >/dev/null ||
        missing "no wasi-libc or wasm-ld-22 (Debian: wasi-libc lld-22)" || return
    export PATH="/usr/bin:$PATH" RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1
    export CARGO_UNSTABLE_BUILD_STD=std,panic_abort
    export CARGO_TARGET_WASM32_WASIP1_LINKER=wasm-ld-22
    export CARGO_TARGET_WASM32_WASIP1_RUSTFLAGS="-C link-self-contained=no -L native=$lib \
-C link-arg=$lib/crt1-command.o -C link-arg=-lc -C panic=abort"
}

go_toolchain() {
    command -v go >/dev/null || missing "no go" || return
    case $(go env GOVERSION) in
        go1.1[0-9].* | go1.20* | go1.21*) missing "go is older than 1.22" ;;
    esac
}

# The SDK's bundler has native code for Node 20.19, 22.12 and later. Where Node is older, as in Debian 12,
# the tests' own Node runs Debian's npm, whose modules it has to be pointed to.
js_toolchain() {
    command -v node >/dev/null && command -v npm >/dev/null || missing "no node and npm" || return
    node -e 'const [major, minor] = process.versions.node.split(".").map(Number);
        process.exit(major > 22 || (major === 22 && minor >= 12) || (major === 20 && minor >= 19) ? 0 : 1)' && return
    newer=$("$guests/../hosts/peers/install" node) || return
    export PATH="${newer%/*}:$PATH" NODE_PATH=/usr/share/nodejs NODE_NO_WARNINGS=1
}
