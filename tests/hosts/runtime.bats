#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# `edgectl dev --runtime`: the bundle in the platform's own runtime, with this machine's stores.
load ../lib
load ../serve/dev
load peers

setup() {
    scratch
    pids=()
    cat >edge.yaml <<'END'
name: app
build: { artifact: app.wasm }
backends: { refused: "http://127.0.0.1:9" }
config: { arm: { name: here }, settings: { plain: value } }
kv: { store: { entries: { seeded: text } } }
secrets: { token: { value: s3cret } }
targets:
  edge: { provider: aws, kv: { store: "http://127.0.0.1:9" } }
END
}

# Serve a guest ($1) in a runtime ($2), with further options of dev.
runtime() {
    guest "$1"
    cp "$module" app.wasm
    peer node
    export EDGECTL_NODE=$output
    peer workerd
    export EDGECTL_WORKERD=$output
    dev --runtime "$2" "${@:3}"
}

says() {
    get "$1" "${@:3}" >code
    expect_in "$(cat answer)" "$2"
}

@test "request, answer and access log are those of every dev" {
    for where in workerd node 'node --target edge'; do
        # shellcheck disable=SC2086
        runtime c/arm $where
        says '/p?q=1' 'PUT /p?q=1' -X PUT -d 'the body' -H 'x-two: 1'
        expect_in "$(cat answer)" $'x-two: 1\n'
        expect_in "$(cat answer)" $'arm: here\n\nthe body'
        ! grep -q x-edgectl-dev answer
        wait_for 10 grep -q '^PUT /p?q=1 200 ' log
        stop_dev
        [ "$status" -eq 0 ]
        rm log
    done
}

@test "config and secrets of the manifest" {
    for where in workerd node 'node --target edge'; do
        # shellcheck disable=SC2086
        runtime rust/app $where
        says /stores 'value s3cret true'
        stop_dev
    done
}

@test "KV is that of this machine: written here, read there, and back" {
    for where in workerd node 'node --target edge'; do
        "$EDGECTL" kv put store key --value "from outside, for $where"
        # shellcheck disable=SC2086
        runtime c/kv $where
        says /key "from outside, for $where"
        says /other 'stored' -X PUT -d "from inside $where"
        edgectl kv get store other
        [ "$output" = "from inside $where" ]
        says /seeded text
        stop_dev
    done
}

@test "what the app logs is in the log, in the same words" {
    for where in workerd node; do
        runtime rust/app "$where"
        get /panic >code
        [ "$(cat code)" = 500 ]
        wait_for 10 grep -q 'stderr :: on purpose' log
        stop_dev
    done
}

@test "a new artifact: the next request gets it, and nobody is cut off" {
    for where in workerd node; do
        runtime c/arm "$where"
        says / arm:
        guest c/hello
        cp "$module" next.wasm
        mv next.wasm app.wasm
        wait_for 30 says / Hello
        stop_dev
    done
}

@test "a runtime that falls is started again" {
    runtime c/hello workerd
    # It must have stood for a second: one that falls at once would fall again and again.
    wait_for 10 bash -c "[ \$((\$(date +%s%N) - \$(stat -c %.9Y ready | tr -d .))) -gt 1100000000 ]"
    kill -KILL "$(cut -d' ' -f1 <"/proc/$dev/task/$dev/children")"
    wait_for 30 grep -q 'workerd was ended by signal 9' log
    wait_for 30 says / Hello
}

@test "files of the app are answered, whatever they are called" {
    mkdir public
    echo 'let x;' >'public/a "b".js'
    echo 'static: { /s: public }' >>edge.yaml
    sed -i 's#^backends: {#& files: { url: "https://nowhere.invalid", local: /s },#' edge.yaml
    for where in workerd node 'node --target edge'; do
        # shellcheck disable=SC2086
        runtime c/hello $where
        says '/s/a%20%22b%22.js' 'let x;'
        says /s/none Hello
        stop_dev
        # And for the app too, as a backend.
        # shellcheck disable=SC2086
        runtime c/proxy $where
        says '/a%20%22b%22.js?backend=files' 'answer: 200, let x;'
        stop_dev
    done
}

@test "the child ends with edgectl, however that ends" {
    runtime c/hello workerd
    child=$(cut -d' ' -f1 <"/proc/$dev/task/$dev/children")
    [ -n "$child" ]
    stop_dev KILL
    wait_for 10 bash -c "! kill -0 $child 2>/dev/null"
}

@test "a runtime that is missing, too old, or not for that target: what to do" {
    guest c/hello
    cp "$module" app.wasm
    export EDGECTL_WORKERD=/nowhere/workerd
    edgectl dev --runtime workerd --addr 127.0.0.1:0
    expect_status 1
    expect_in "$stderr" 'EDGECTL_WORKERD names /nowhere/workerd, which cannot be run'
    unset EDGECTL_WORKERD
    PATH=/usr/bin:/bin edgectl dev --runtime workerd --addr 127.0.0.1:0
    expect_status 1
    expect_in "$stderr" 'there is no workerd on this machine'
    expect_in "$stderr" 'npm install'
    printf '#!/bin/sh\necho "Node is too old" >&2; exit 3\n' >old
    chmod +x old
    EDGECTL_NODE=$PWD/old edgectl dev --runtime node --addr 127.0.0.1:0
    expect_status 1
    expect_in "$stderr" 'Node is too old'
    expect_in "$stderr" 'Node ended with status 3'
    expect_in "$stderr" 'install Node 24'
    EDGECTL_NODE=$PWD/old edgectl dev --runtime node --target cloudflare
    expect_status 2
    expect_in "$stderr" "target 'cloudflare' is for cloudflare, which does not run in node"
    mkdir bare
    mv app.wasm bare
    edgectl dev -C bare --runtime node app.wasm
    expect_status 2
    expect_in "$stderr" 'needs a manifest'
}
