#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The commands, on Cloudflare and Fastly as on this machine: deploy, versions, rollback, data, doctor.

load ../lib
load ship

setup() {
    scratch
    unset "${!CLOUDFLARE_@}" "${!CF_@}"
    small_wasm >app.wasm
}

teardown() {
    stop_fake
}

begin() {
    start_fake "$1" --edge
    export CLOUDFLARE_API_BASE_URL=$FAKE/client/v4 CLOUDFLARE_API_TOKEN=cf-token
    export FASTLY_API_ENDPOINT=$FAKE FASTLY_API_TOKEN=fs-token FASTLY_USE_API_SIGNING_KEY=1
    export HTTPS_PROXY=$FAKE SSL_CERT_FILE=$PWD/fake/ca.pem REL=1
    cat >edge.yaml <<EOF
name: shop
build: { artifact: app.wasm }
kv: { sessions: { entries: { a: "1" } } }
config: { flags: { rel: "\${REL}" } }
secrets: { api-key: { value: "secret-\${REL}" } }
targets: { prod: { provider: $1 } }
EOF
}

# A whole life, on provider $1 whose name for people is $2.
life() {
    begin "$1"
    edgectl deploy --target prod --dry-run
    expect_status 0
    expect_in "$output$stderr" "shop"
    [ -z "$(requests | grep -v '^GET')" ]
    edgectl deploy --target prod -m "the first"
    expect_status 0
    expect_in "$output" "serves 'prod' at https://shop"
    edgectl deploy --target prod
    expect_status 0
    expect_in "$output" "nothing to do"
    REL=2 edgectl deploy --target prod --json
    expect_status 0
    second=$(python3 -c 'import json, sys; print(json.loads(sys.stdin.read())["version"])' <<<"$output")
    edgectl versions --target prod
    expect_status 0
    expect_in "$output" "$second"
    expect_in "$output" "the first"
    edgectl rollback --target prod
    expect_status 0
    edgectl deploy --target prod
    expect_in "$output" "nothing to do"
    printf two >value
    edgectl kv put sessions b --file value --target prod
    expect_status 0
    edgectl kv get sessions b --target prod
    expect_status 0
    [ "$output" = two ]
    edgectl doctor --target prod
    expect_in "$output" "$2"
    CLOUDFLARE_API_TOKEN=wrong-token FASTLY_API_TOKEN=wrong-token REL=3 edgectl deploy --target prod
    expect_status 8
    [[ $stderr != *wrong-token* ]]
    no_violations
}

@test "cloudflare: deployed, deployed again, taken back, looked at" {
    life cloudflare "Cloudflare Workers"
}

@test "fastly: deployed, deployed again, taken back, looked at" {
    life fastly "Fastly Compute"
}

@test "a version that answers with 500 gets no traffic" {
    begin fastly
    edgectl deploy --target prod
    expect_status 0
    fake call '{"name": "break", "version": "shop.2"}'
    REL=2 edgectl deploy --target prod
    expect_status 1
    expect_in "$stderr" "with 500"
    [[ $(fake state) == *'"active":1,'* ]]
    no_violations
}

# A CI job has a new checkout each time, and no state from the last.
from_a_new_checkout() {
    begin "$1"
    edgectl deploy --target prod
    expect_status 0
    rm -rf .edgectl
    fake reset >/dev/null
    edgectl deploy --target prod --json
    expect_status 0
    expect_in "$output" '"changed":false'
    [ -z "$(requests | grep -v '^GET')" ]
    REL=2 edgectl deploy --target prod --json
    expect_status 0
    expect_in "$output" '"changed":true'
    no_violations
}

@test "cloudflare: from a new checkout nothing is done twice" {
    from_a_new_checkout cloudflare
}

@test "fastly: from a new checkout nothing is done twice" {
    from_a_new_checkout fastly
}
