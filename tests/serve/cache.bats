#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The compile cache is worth time, never trust: what it holds may be cut, damaged, of another
# version, or not writable.
load ../lib
load dev

setup() {
    scratch
    pids=()
    export XDG_CACHE_HOME=$PWD/cache
    echo 'name: cached' >edge.yaml
    # Enough code that a change somewhere in it is likely to be run or read.
    awk 'BEGIN {
        print "(module (memory (export \"memory\") 1)"
        for (i = 0; i < 300; i++)
            printf "(func $f%d (param i32) (result i32) (i32.add (local.get 0) (i32.const %d)))\n", i, i
        print "(func (export \"_start\") (local $n i32)"
        for (i = 0; i < 300; i++)
            printf "(local.set $n (call $f%d (local.get $n)))\n", i
        print "(if (i32.ne (local.get $n) (i32.const 44850)) (then unreachable))))"
    }' >app.wat
    module=app.wat
}

serves() {
    dev_module --no-watch
    [ "$(get /)" = 200 ]
    stop_dev
    expect_status 0
    no_report log
}

entry() {
    set -- cache/edgectl/modules/*.cwasm
    [ -f "$1" ] && [ $# = 1 ]
    entry=$1
}

@test "an entry is used again, and one that is cut, empty or garbage is made anew" {
    serves
    entry
    size=$(wc -c <"$entry")
    inode=$(stat -c %i "$entry")
    serves
    [ "$(stat -c %i "$entry")" = "$inode" ]
    cp "$entry" good
    for cut in 0 1 23 24 100 $((size / 2)) $((size - 1)); do
        head -c "$cut" good >"$entry"
        serves
        cmp "$entry" good
    done
    head -c "$size" /dev/urandom >"$entry"
    serves
    cmp "$entry" good
    head -c 100 good >>"$entry"
    serves
    cmp "$entry" good
}

@test "one bit that is wrong, anywhere, is seen" {
    serves
    entry
    cp "$entry" good
    size=$(wc -c <good)
    for i in $(seq 0 20); do
        cp good bad
        at=$((i * (size - 1) / 20))
        byte=$(od -An -tu1 -j "$at" -N 1 good)
        printf "%b" "\\x$(printf %02x $((byte ^ (1 << (i % 8)))))" |
            dd of=bad bs=1 seek="$at" conv=notrunc status=none
        ! cmp -s bad good
        cp bad "$entry"
        serves
        cmp "$entry" good
    done
}

@test "two processes compile the same module at once" {
    for i in 1 2 3 4; do
        "$EDGECTL" dev app.wat --manifest edge.yaml --state "state$i" --no-watch \
            --addr 127.0.0.1:0 --ready-file "ready$i" >"log$i" 2>&1 3>&- &
        pids+=($!)
    done
    for i in 1 2 3 4; do
        wait_for 60 test -s "ready$i"
        url=$(cat "ready$i")
        [ "$(get /)" = 200 ]
    done
    entry
    serves
}

@test "a cache folder that cannot be written, or be made" {
    mkdir -p cache/edgectl/modules
    chmod a-w cache/edgectl/modules
    serves
    rm -rf cache
    : >cache
    serves
    rm cache
    ln -s /proc/nowhere cache
    serves
}

@test "a cache on a full disk" {
    unshare -m true 2>why || skip "no file system can be mounted here: $(cat why)"
    mkdir cache
    cat >script <<'END'
mount -t tmpfs -o size=64k none cache || exit 77
head -c 1000000 /dev/zero >cache/filler 2>/dev/null
"$EDGECTL" dev app.wat --manifest edge.yaml --no-watch --addr 127.0.0.1:0 --ready-file ready &
pid=$!
for i in $(seq 600); do [ ! -s ready ] || break; sleep 0.1; done
code=$(curl -s -o /dev/null -w '%{http_code}' "$(cat ready)/")
kill $pid
wait $pid || exit
[ "$code" = 200 ] && [ -z "$(find cache -name '*.cwasm*')" ]
END
    run --separate-stderr unshare -m sh script
    [ "$status" != 77 ] || skip "no file system can be mounted here: $stderr"
    expect_status 0
}

@test "little address space: fewer requests at once, or one clear error" {
    [ -z "${TEST_SANITIZED-}" ] || skip "a sanitizer takes all address space there is"
    run --separate-stderr bash -c 'ulimit -v 4000000; exec timeout 20 "$EDGECTL" dev app.wat --addr 127.0.0.1:0'
    expect_status 7
    expect_in "$stderr" '--max-requests'
    bash -c 'ulimit -v 400000000; exec "$EDGECTL" dev app.wat --addr 127.0.0.1:0 --no-watch --ready-file ready' >log 2>&1 3>&- &
    dev=$!
    pids+=("$dev")
    wait_for 30 ready_or_gone
    url=$(cat ready)
    [ "$(get /)" = 200 ]
}
