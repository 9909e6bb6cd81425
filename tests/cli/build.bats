#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
load ../lib

good='(module
  (import "fastly_http_resp" "new" (func $new (param i32) (result i32)))
  (memory (export "memory") 2)
  (func (export "_start") (drop (call $new (i32.const 0)))))'

# A project whose build copies app.wat to the artifact and counts its runs.
project() {
    mkdir -p src
    printf '%s\n' "$good" >src/app.wat
    cat >edge.yaml <<'E'
name: shop
build:
  command: echo run >>.runs; echo compiling; mkdir -p out; cp src/app.wat out/app.wat
  artifact: out/app.wat
E
}

runs() {
    wc -l <.runs
}

# Process $1 has ended; where nobody reaps orphans it stays as a zombie.
gone() {
    ! kill -0 "$1" 2>/dev/null || grep -q '^State:.Z' "/proc/$1/status"
}

@test "build: runs the command, shows its output, inspects what it made" {
    project
    edgectl build
    expect_status 0
    expect_in "$stderr" "building: there is no artifact yet"
    expect_in "$stderr" "compiling"
    expect_in "$output" "out/app.wat"
    expect_in "$output" "128 KiB"
    expect_in "$output" "1 of the edge, 0 of WASI, 0 unknown"
    expect_in "$output" "memory, _start"
}

@test "build: not without need" {
    project
    edgectl build
    edgectl build
    expect_status 0
    [ "$(runs)" -eq 1 ]
    # no source of the module
    echo 'regions: [fra]' >>edge.yaml
    edgectl build
    [ "$(runs)" -eq 1 ]
    edgectl build --force
    [ "$(runs)" -eq 2 ]
    printf '%s ;; edited\n' "$good" >src/app.wat
    edgectl build
    expect_in "$stderr" "the sources have changed"
    [ "$(runs)" -eq 3 ]
    rm out/app.wat
    edgectl build
    [ "$(runs)" -eq 4 ]
    sed -i 's/echo compiling/echo other/' edge.yaml
    edgectl build
    expect_in "$stderr" "the build command has changed"
    [ "$(runs)" -eq 5 ]
    edgectl build
    [ "$(runs)" -eq 5 ]
}

@test "build: a command that fails is an error that says how" {
    project
    sed -i 's/command: .*/command: echo "src\/app.rs 3 is wrong" >\&2; exit 42/' edge.yaml
    edgectl build
    expect_status 1
    expect_in "$stderr" "src/app.rs 3 is wrong"
    expect_in "$stderr" "the build command failed with status 42"
    edgectl build --quiet
    expect_status 1
    expect_in "$stderr" "src/app.rs 3 is wrong"
    sed -i 's/command: .*/command: no-such-compiler app/' edge.yaml
    edgectl build
    expect_status 1
    expect_in "$stderr" "not installed"
    sed -i 's/command: .*/command: "true"/' edge.yaml
    edgectl build
    expect_status 1
    expect_in "$stderr" "left no $PWD/out/app.wat"
}

@test "build: an interrupt stops the command and all it started" {
    project
    sed -i 's/command: .*/command: sleep 1000 \& echo $! >.pid; echo begun; wait/' edge.yaml
    "$EDGECTL" build 2>err 3>&- &
    edgectl_pid=$!
    wait_for 10 grep -q begun err
    kill -TERM "$edgectl_pid"
    status=0
    wait "$edgectl_pid" || status=$?
    expect_status 130
    wait_for 10 gone "$(cat .pid)"
}

@test "build: nothing of a build outlives edgectl, however it dies" {
    project
    sed -i 's/command: .*/command: sleep 1000 \& echo $! >.pid; echo begun; wait/' edge.yaml
    "$EDGECTL" build 2>err 3>&- &
    edgectl_pid=$!
    wait_for 10 grep -q begun err
    kill -KILL "$edgectl_pid"
    wait "$edgectl_pid" || :
    wait_for 10 gone "$(cat .pid)"
}

@test "build MODULE: only looks, without a manifest" {
    printf '%s\n' "$good" >app.wat
    edgectl build app.wat
    expect_status 0
    expect_in "$output" "app.wat"
    [ ! -e .edgectl ]
    edgectl build app.wat --json
    expect_status 0
    printf '%s' "$output" | perl -MJSON::PP -0777 -e '
        my $j = decode_json(<STDIN>);
        die "runs" unless $j->{runs};
        die "built" if $j->{built};
        die "import" unless $j->{imports}[0]{name} eq "new" && $j->{imports}[0]{state} eq "known";
        die "signature" unless $j->{imports}[0]{signature} eq "(i32)->(i32)";
        die "memory" unless $j->{memory_min} == 131072;
        die "size" unless $j->{size} == -s "app.wat" && $j->{gzip_size} > 0;'
    edgectl build app.wat --force
    expect_status 2
}

# refused FILE-AS-PRINTF-TAKES-IT WHAT-IS-SAID
refused() {
    # shellcheck disable=SC2059
    printf "$1" >app.wasm
    edgectl build app.wasm
    expect_status 1
    expect_in "$stderr" "$2"
    expect_in "$stderr" "hint: "
}

@test "build: says what is wrong with a file that cannot run" {
    refused '' 'is empty'
    refused '\0asm\15\0\1\0' 'a WebAssembly component, not a core module'
    expect_in "$stderr" "wasm32-wasip1"
    refused '\0asm\1\0' 'is cut short'
    refused '\0asm\1\0\0\0\1\177\1' 'cut short: the file ends at byte 11, inside the type section'
    refused '\177ELF\2\1\1' 'is a native program'
    refused '#!/bin/sh\n' 'is not a WebAssembly module'
    edgectl build missing.wasm
    expect_status 1
    expect_in "$stderr" "build it first"
}

@test "build: says every reason why a module cannot run" {
    echo '(module (import "env" "emscripten_resize" (func (param i32))) (memory 1)
        (func (export "_initialize")))' >app.wat
    edgectl build app.wat
    expect_status 1
    expect_in "$output" "unknown    env.emscripten_resize (i32)->()"
    expect_in "$stderr" "a library (a WASI reactor)"
    expect_in "$stderr" "does not export its memory"
    expect_in "$stderr" "imports 1 function that no edge host has: env.emscripten_resize"
}

@test "build: beside a fastly.toml" {
    cat >fastly.toml <<'E'
manifest_version = 3
name = "shop"
[scripts]
build = "mkdir -p bin; cp app.wat bin/main.wasm"
E
    printf '%s\n' "$good" >app.wat
    edgectl build
    expect_status 0
    expect_in "$output" "bin/main.wasm"
    edgectl build
    expect_status 0
    [[ $stderr != *building* ]]
}
