# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# For bats files that run what other platforms run: `load ../lib`, `load peers`.

# The path of a runtime of peers/install ($1); the test is skipped if it cannot be had.
peer() {
    run --separate-stderr env HOME="${TEST_HOME:-$HOME}" "$BATS_TEST_DIRNAME/../hosts/peers/install" "$1"
    [ "$status" -ne 77 ] || skip "${stderr-}"
    [ "$status" -eq 0 ] || {
        echo "${stderr-}"
        return 1
    }
}

# $node: Node 24.
node24() {
    peer node
    node=$output
}

# $upstash: the URL of a KV store, token t0ken.
upstash() {
    node24
    command -v redis-server >/dev/null || skip "no redis-server (Debian: redis-server)"
    redis-server --port 0 --unixsocket "$PWD/redis.sock" --save '' --daemonize no >redis.log 2>&1 3>&- &
    pids+=($!)
    wait_for 20 test -S redis.sock
    "$node" "$BATS_TEST_DIRNAME/../hosts/upstash.mjs" "$PWD/redis.sock" >upstash.port 3>&- &
    pids+=($!)
    wait_for 20 test -s upstash.port
    upstash=http://127.0.0.1:$(cat upstash.port)
}

stop_peers() {
    for pid in "${pids[@]}"; do
        kill "$pid" 2>/dev/null || :
        wait "$pid" || :
    done
}

# The Systems Manager with some parameters (NAME=VALUE...), for functions that are started next.
ssm() {
    node24
    "$node" "$BATS_TEST_DIRNAME/../hosts/ssm.mjs" "$@" >ssm.port 3>&- &
    pids+=($!)
    wait_for 20 test -s ssm.port
    export AWS_ENDPOINT_URL_SSM=http://127.0.0.1:$(cat ssm.port) AWS_ACCESS_KEY_ID=AK AWS_SECRET_ACCESS_KEY=SK
}
