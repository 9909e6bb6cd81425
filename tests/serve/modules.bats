#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Modules that are no guests, or bombs: one clear error each, at load where that can be seen there,
# else for the request.
load ../lib
load dev

# What each module of this file that is a program has.
program='(memory (export "memory") 1) (func (export "_start"))'

# dev refuses ./$1, saying $2.
refused() {
    run --separate-stderr timeout 60 "$EDGECTL" dev "$1" --no-watch --addr 127.0.0.1:0
    expect_status 1
    expect_in "$stderr" "$2"
    [ -z "$output" ]
}

text() {
    echo "(module $1)" >app.wat
}

# Serve ./app.wat under small limits; a request gets 500 with $1. ./answer
fails() {
    cat >edge.yaml <<'END'
name: bomb
limits: { cpu: 300ms, wall: 5s, memory: 16MiB }
END
    module=app.wat
    dev_module --no-watch
    [ "$(get /)" = 500 ]
    expect_in "$(cat answer)" "$1"
    # It is still there for the next one.
    [ "$(get /)" = 500 ]
    stop_dev
    expect_status 0
}

@test "imports that no edge has are named, all of them" {
    text '(import "env" "nonsense" (func)) (import "wasi_snapshot_preview1" "bogus" (func (param i32)))'"$program"
    refused app.wat 'env.nonsense, wasi_snapshot_preview1.bogus'
}

@test "a known import of another type is named, with both types" {
    text '(import "fastly_http_req" "new" (func (param i64) (result i64)))'"$program"
    refused app.wat 'fastly_http_req::new'
    expect_in "$stderr" '(param i64) (result i64)'
    expect_in "$stderr" '(param i32) (result i32)'
}

@test "an import that is not a function" {
    text '(import "fastly_http_req" "new" (global i32))'"$program"
    refused app.wat 'fastly_http_req'
}

@test "an empty file, another kind of file, a component" {
    : >app.wasm
    refused app.wasm 'is empty'
    cp "$EDGECTL" app.wasm
    refused app.wasm 'a native program'
    echo '(component)' >app.wat
    refused app.wat 'a WebAssembly component, not a core module'
    printf '\0asm\r\0\1\0' >app.wasm
    refused app.wasm 'component'
    mkdir folder.wasm
    refused folder.wasm 'folder.wasm'
}

@test "no memory, no _start, a _start with parameters" {
    text '(memory (export "memory") 1) (func (export "main"))'
    refused app.wat 'no function _start'
    text '(memory (export "memory") 1) (func (export "_start") (param i32))'
    refused app.wat '_start has the type'
    text '(import "fastly_http_req" "new" (func $n (param i32) (result i32)))
        (func (export "_start") (drop (call $n (i32.const 0))))'
    refused app.wat 'has no memory'
}

@test "a memory that begins larger than the limit" {
    text '(memory (export "memory") 65536) (func (export "_start"))'
    refused app.wat 'begins with 4.0 GiB; the limit is 128 MiB'
    expect_in "$stderr" limits.memory
    text '(memory (export "memory") 1000) (func (export "_start"))'
    fails 'refused more memory than 16.0 MiB'
}

@test "more memory than the default where the manifest allows it" {
    text '(memory (export "memory") 1000) (func (export "_start")
        (if (i32.eq (memory.grow (i32.const 3000)) (i32.const -1)) (then unreachable)))'
    cat >edge.yaml <<'END'
name: large
limits: { memory: 256MiB }
END
    module=app.wat
    dev_module --no-watch
    [ "$(get /)" = 200 ]
}

@test "a huge table, two memories, a 64-bit memory, too many locals" {
    text "(table 10000000 funcref) $program"
    refused app.wat '10000000'
    text '(memory 1) (memory (export "memory") 1) (func (export "_start"))'
    refused app.wat '2 memories'
    text '(memory (export "memory") i64 1) (func (export "_start"))'
    refused app.wat '64-bit'
    text "(func (local $(printf 'i64 %.0s' {1..60000}))) $program"
    refused app.wat 'locals'
}

@test "30,000 functions, 60,000 nested blocks" {
    text "$(printf '(func (param i32) (result i32) local.get 0)\n%.0s' {1..30000}) $program"
    module=app.wat
    echo 'name: many' >edge.yaml
    dev_module --no-watch
    [ "$(get /)" = 200 ]
    stop_dev
    text "(memory (export \"memory\") 1)
        (func (export \"_start\") $(printf 'block %.0s' {1..60000}) $(printf 'end %.0s' {1..60000}))"
    dev_module --no-watch
    [ "$(get /)" = 200 ]
}

@test "text nested deeper than any reader should go" {
    text "$(printf '(%.0s' {1..100000})"
    refused app.wat 'not well-formed'
}

@test "data beyond the memory" {
    text "(data (i32.const 65535) \"xyz\") $program"
    fails 'out of bounds memory access'
}

@test "a start function that loops" {
    text '(func $s (loop (br 0))) (start $s)'"$program"
    fails 'more than 300ms of CPU time'
}

@test "a start function that recurses" {
    text '(func $s (call $s) (call $s)) (start $s)'"$program"
    fails 'call stack exhausted'
}

@test "a table that grows without end" {
    text '(table 1 funcref) (memory (export "memory") 1) (func (export "_start")
        (if (i32.eq (table.grow 0 (ref.null func) (i32.const 2000000000)) (i32.const -1))
            (then unreachable)))'
    fails unreachable
}

@test "a module cut at every byte" {
    # (import "fastly_abi" "init" ...), a memory with data, and _start, which calls it.
    printf '%b' '\0asm\x01\0\0\0' \
        '\x01\x09\x02\x60\0\0\x60\x01\x7e\x01\x7f' \
        '\x02\x13\x01\x0afastly_abi\x04init\0\x01' \
        '\x03\x02\x01\0' \
        '\x05\x03\x01\0\x01' \
        '\x07\x13\x02\x06memory\x02\0\x06_start\0\x01' \
        '\x0a\x09\x01\x07\0\x42\x01\x10\0\x1a\x0b' \
        '\x0b\x08\x01\0\x41\0\x0b\x02hi' >whole.wasm
    whole=$(wc -c <whole.wasm)
    step=1
    # A sanitized binary takes its time to start.
    [ -z "${TEST_SANITIZED-}" ] || step=5
    module=whole.wasm
    echo 'name: cut' >edge.yaml
    dev_module --no-watch
    [ "$(get /)" = 200 ]
    stop_dev
    for ((n = 0; n < whole; n += step)); do
        # Before its last section, the data, it is whole.
        [ "$n" != $((whole - 10)) ] || continue
        head -c "$n" whole.wasm >cut.wasm
        status=0
        timeout -s INT 30 "$EDGECTL" dev cut.wasm --no-watch --addr 127.0.0.1:0 --ready-file up \
            >out 2>err || status=$?
        [ "$status" = 1 ] && [ -s err ] && [ ! -s out ] && [ ! -e up ] || {
            echo "cut at byte $n of $whole: exit status $status"
            cat out err
            return 1
        }
    done
}

@test "no build command is run for a module that is named" {
    text "$program"
    cat >edge.yaml <<'END'
name: named
build: { command: touch built; false, artifact: other.wasm }
END
    module=app.wat
    dev_module --no-watch
    [ "$(get /)" = 200 ]
    [ ! -e built ]
    stop_dev
    expect_status 0
}
