#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
load ../lib

# KILLS (default 26) is how many processes are killed: `make check-fault` kills 400.
@test "kv: what was acknowledged survives kill -9 at any moment, with two processes writing" {
    seed=${SEED:-$RANDOM$RANDOM}
    echo "SEED=$seed"
    run --separate-stderr "$TEST_TOOLS/kv_kill" state $(((${KILLS:-26} + 1) / 2)) "$seed"
    expect_status 0
    echo "# $output" >&3
}

project() {
    cat >edge.yaml <<'END'
name: app
build: { artifact: app.wasm }
kv: { s: {} }
END
}

@test "kv: past the file size limit there is one clear error, and nothing stored before is lost" {
    project
    edgectl kv put s before --value kept
    head -c 8000000 /dev/urandom >big
    run --separate-stderr bash -c 'ulimit -f 4000; "$EDGECTL" kv put s big --file big'
    expect_status 1
    expect_in "$stderr" 'file size limit'
    expect_in "$stderr" 'nothing stored before is lost'
    edgectl kv get s before
    [ "$output" = kept ]
    edgectl kv get s big
    expect_status 1
    edgectl kv put s big --file big
    expect_status 0
    "$EDGECTL" kv get s big | cmp - big
}

@test "kv: on a full disk there is one clear error, and nothing stored before is lost" {
    project
    mkdir small
    unshare -m mount -t tmpfs -o size=4m none small 2>"$BATS_TEST_TMPDIR/why" ||
        skip "no small file system can be mounted here: $(cat "$BATS_TEST_TMPDIR/why")"
    head -c 8000000 /dev/urandom >big
    run --separate-stderr unshare -m bash -c '
        mount -t tmpfs -o size=4m none small
        "$EDGECTL" kv put s before --value kept --state small/state || exit 99
        "$EDGECTL" kv put s big --file big --state small/state
        echo "status $?"
        head -c 100000000 /dev/zero >small/filler
        "$EDGECTL" kv put s more --value x --state small/state
        echo "status $?"
        rm small/filler
        "$EDGECTL" kv get s before --state small/state
        echo
        "$EDGECTL" kv put s more --value x --state small/state
        "$EDGECTL" kv list s --state small/state'
    expect_status 0
    [ "$output" = $'status 1\nstatus 1\nkept\nbefore\nmore' ] || {
        echo "$output"
        echo "$stderr"
        return 1
    }
    expect_in "$stderr" 'no space left'
}
