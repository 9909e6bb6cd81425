#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The AWS driver against moto, which others wrote. It checks no signatures, keeps no associations of
# functions in a distribution, and has no continuous deployment: fake_aws.py does.

load ../lib
load ship
load peers

setup() {
    scratch
    peer python moto_server
    unset "${!AWS_@}"
    # It prints no port that it chose: the first free one that it can have.
    for try in 1 2 3; do
        port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
        "$PEER" -H 127.0.0.1 -p "$port" >moto.log 2>&1 3>&- &
        FAKE_PID=$!
        wait_for 60 sh -c "curl -sS -o /dev/null http://127.0.0.1:$port/ 2>/dev/null || ! kill -0 $FAKE_PID"
        kill -0 "$FAKE_PID" && break
    done
    export AWS_ENDPOINT_URL=http://127.0.0.1:$port AWS_ACCESS_KEY_ID=testing AWS_SECRET_ACCESS_KEY=testing
    cat >edge.yaml <<'EOF'
name: shop
build: { command: "true", artifact: app.wasm }
targets: { prod: { provider: aws } }
EOF
    python3 -c 'import zipfile
for n in 1, 2:
    with zipfile.ZipFile(f"b{n}.zip", "w") as z:
        z.writestr("lambda/index.js", f"exports.handler = {n}")'
}

teardown() {
    stop_fake
}

@test "roles, functions, versions, parameters and distributions are what moto takes them for" {
    ship_ok prod whoami
    expect_in "$output" '"account": "123456789012"'
    ship_ok prod deploy b1.zip rel1 secrets/api=d1
    expect_in "$output" '"version": "1", "first": true, "url": "https://'
    ship_ok prod deploy b1.zip rel1 secrets/api=d1
    expect_in "$output" '"steps": [], "version": "1"'
    ship_ok prod split 1
    ship_ok prod deploy b2.zip rel2 secrets/api=d2
    expect_in "$output" '"version": "2"'
    ship_ok prod versions
    expect_in "$output" '"id": "2", "release": "rel2", "message": "a message", "revision": "abc123"'
    ship_ok prod list secret secrets
    expect_in "$output" '{"key": "api", "digest": "d1", "value": null}, {"key": "api", "digest": "d2"'
    ship_ok prod note rollout text
    ship_ok prod note rollout
    expect_in "$output" '"found": true, "text": "text"'
    ship_ok prod purge /a
    ship_ok prod gc 1
    expect_in "$output" 'delete version 1 of shop'
    ship_ok prod versions
    [[ $output != *rel1* ]]
    ship_ok prod destroy
    expect_in "$output" 'delete the distribution'
    ship_ok prod plan b1.zip rel1 secrets/api=d1
    [ "$(grep -o '"verb": "make"' <<<"$output" | wc -l)" -eq 5 ]
}

@test "a KeyValueStore is made, found and deleted by its name" {
    small_wasm >app.wasm
    cat >edge.yaml <<'EOF'
name: shop
build: { command: "true", artifact: app.wasm }
kv: { sessions: null }
targets: { prod: { provider: aws, kv: { sessions: shop-sessions } } }
EOF
    ship_ok prod deploy app one
    expect_in "$output" '"id": "kv sessions"'
    ship_ok prod deploy app one
    expect_in "$output" '"steps": []'
    ship_ok prod destroy
    ship_ok prod plan app one
    expect_in "$output" '"id": "kv sessions"'
}
