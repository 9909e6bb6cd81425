#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The parts of the hosts for Lambda@Edge and Vercel, each by itself in Node 24.
load ../lib
load peers

setup() {
    scratch
    pids=()
}

teardown() {
    stop_peers
}

unit() {
    node24
    "$node" "$BATS_TEST_DIRNAME/node.mjs" "$@"
}

@test "signatures are those of AWS's suite" {
    unit signature "$BATS_TEST_DIRNAME/../unit/provider/aws_vectors.json"
}

@test "secrets come from the Systems Manager, signed, and are kept a while" {
    unit parameters
}

@test "KV over a real Redis behind Upstash's interface" {
    upstash
    unit kv "$upstash"
}

@test "backends that refuse, break off or lie: the error says which" {
    "$TEST_TOOLS/bad_backend" >bad 2>&1 3>&- &
    pids+=($!)
    wait_for 10 test -s bad
    unit failures "$(cat bad)"
}

@test "requests arrive as they are meant, and answers as they are sent" {
    unit requests
}

@test "a kept connection that has gone: the request is sent once more" {
    unit stale
}

@test "what CloudFront and Vercel say of a client" {
    unit client
}

@test "TLS: the name, the authority" {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out cert.pem -days 2 \
        -subj /CN=backend.example -addext subjectAltName=DNS:backend.example 2>/dev/null
    node24
    "$node" "$BATS_TEST_DIRNAME/tls_server.mjs" cert.pem key.pem >port 3>&- &
    pids+=($!)
    wait_for 20 test -s port
    unit tls "https://127.0.0.1:$(cat port)/" cert.pem
}
