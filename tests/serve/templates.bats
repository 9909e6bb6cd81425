#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Each starter, as init makes it, is built by its SDK and passes the test it comes with. A missing
# toolchain skips it.
load ../lib

# The user's toolchain, with the caches that the test guests use.
toolchain() {
    export HOME=$TEST_HOME
    local message guests=$BATS_TEST_DIRNAME/../guests
    # shellcheck source=tests/guests/toolchain.sh
    . "$BATS_TEST_DIRNAME/../guests/toolchain.sh"
    if ! "$1_toolchain" 2>message; then
        message=$(cat message)
        skip "$message"
    fi
    export CARGO_TARGET_DIR=
    unset CARGO_TARGET_DIR
}

starter() {
    edgectl init app --template "$1"
    expect_status 0
    cd app || return 1
}

# Run the starter's own test; what it says is shown when it fails.
passes() {
    run "$@"
    [ "$status" -eq 0 ] || {
        echo "$output"
        return 1
    }
}

@test "C: the module that comes with it passes" {
    starter c
    [ -f bin/main.wasm ] || skip "built without clang"
    passes ./test.sh
    # Nothing was built: the module is newer than its sources.
    [[ $output != *--target=wasm32-wasi* ]]
}

@test "C: built from its sources" {
    toolchain c
    starter c
    rm -r bin
    passes make test
}

@test "Rust" {
    toolchain rust
    starter rust
    # The target directory of the test guests has std built already.
    mkdir -p target
    guests=${XDG_CACHE_HOME:-$HOME/.cache}/edgectl/guests/target-starter
    mkdir -p "$guests"
    rmdir target && ln -s "$guests" target
    passes ./test.sh
}

@test "Go" {
    toolchain go
    starter go
    passes go test ./...
}

@test "JavaScript" {
    toolchain js
    starter js
    passes npm install --no-audit --no-fund --loglevel=error
    passes npm test
}
