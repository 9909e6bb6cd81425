#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Every kind of request that the driver makes, held against Fastly's published model of its API. What
# the model lacks stands in parity/fastly_model.txt, with the reason.

load ../lib
load ship
load peers

setup() {
    scratch
    peer models fastly
    start_fake fastly --edge
    export FASTLY_API_ENDPOINT=$FAKE FASTLY_API_TOKEN=fs-token FASTLY_USE_API_SIGNING_KEY=1
    export HTTPS_PROXY=$FAKE SSL_CERT_FILE=$PWD/fake/ca.pem REL=1 API_KEY=secret-1
    small_wasm >app.wasm
    manifest
}

teardown() {
    stop_fake
}

# manifest [KEYS of the target]
manifest() {
    cat >edge.yaml <<EOF
name: shop
build: { artifact: app.wasm }
backends: { origin: { url: "https://origin.example.com:8443", timeout: 5s } }
kv: { sessions: { entries: { a: "1", b: { text: two, metadata: m } } } }
config: { flags: { rel: "\${REL}" } }
secrets: { api-key: { env: API_KEY } }
targets: { prod: { provider: fastly${1:+, $1} } }
EOF
}

# in_prod ARG...: it goes well.
in_prod() {
    edgectl "$@" --target prod
    expect_status 0
}

@test "each request is one that Fastly's model knows" {
    in_prod doctor
    in_prod deploy -m one
    REL=2 in_prod deploy --no-probe
    sed -i 's/:8443/:9443/; s/origin: /other: /' edge.yaml
    REL=3 in_prod deploy --no-traffic
    REL=4 in_prod deploy --preview
    in_prod rollback
    manifest "domains: [shop.example.com], router: true"
    API_KEY=secret-2 in_prod deploy
    REL=6 in_prod deploy --no-traffic
    in_prod versions
    printf 'v' >v
    in_prod kv put sessions a/b --file v
    in_prod kv get sessions a/b
    in_prod kv list sessions
    in_prod kv delete sessions a/b
    in_prod config put flags beta --file v
    in_prod config get flags beta
    in_prod config list flags
    in_prod config delete flags beta
    in_prod secret put other --file v
    in_prod secret list
    in_prod secret delete other
    in_prod purge --all
    in_prod purge k1
    in_prod purge --soft k1
    ship_ok prod versions
    ship_ok prod note rollout text
    ship_ok prod note rollout
    fake call '{"name": "logs", "service": "shop-a", "batches": [{"batch_id": "b1", "logs": [
        {"sequence_number": 1, "request_start_us": 5, "stream": "stdout", "id": "r", "message": "m"}]}]}'
    fake call '{"name": "logging"}'
    in_prod gc --keep 1
    in_prod destroy --confirm shop
    no_violations
    fake requests >requests.json
    run python3 -B "$BATS_TEST_DIRNAME/parity/api_model.py" "$PEER" requests.json \
        "$BATS_TEST_DIRNAME/parity/fastly_model.txt"
    echo "$output"
    [ "$status" -eq 0 ]
    # The deploys of a day use most of what the driver has.
    [ "$(sed -n 's/ operations of .*//p' <<<"$output")" -ge 40 ]
}
