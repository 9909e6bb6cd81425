#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What the drivers send, judged by what Vercel and Cloudflare publish of their APIs: the SDKs that are
# made from the descriptions of these APIs. Every operation that a driver has is in the requests.

load ../lib
load ship
load peers

setup() {
    scratch
    unset "${!VERCEL_@}" "${!CLOUDFLARE_@}" "${!CF_@}"
    peer models
    models=$PEER
    small_wasm >app.wasm
}

teardown() {
    stop_fake
}

# judge JUDGE: the requests up to now, by models/JUDGE.mjs.
judge() {
    fake requests >requests.json
    no_violations
    run node "$BATS_TEST_DIRNAME/models/$1.mjs" "$models" requests.json
    echo "$output"
    [ "$status" -eq 0 ]
}

@test "Vercel: all requests are what its SDK takes" {
    start_fake vercel
    export EDGECTL_VERCEL_API=$FAKE VERCEL_TOKEN=vctoken
    fake call '{"name": "set", "slow": 0}'
    manifest() {
        cat >edge.yaml <<EOF
name: shop
build: { artifact: app.wasm }
secrets: { api: }
config: { flags: { a: "1", rel: "$1" } }
targets: { prod: { provider: vercel, team: team_acme, domains: [app.example.com]$2 } }
EOF
    }
    # deploy N: $version is its deployment.
    deploy() {
        manifest "$1" ""
        ship_ok prod deploy app "release $1" "secrets/api=value-$1"
        version=$(field version)
    }
    manifest 0 ""
    ship_ok prod whoami
    deploy 1
    one=$version
    ship_ok prod split "$one"
    deploy 2
    two=$version
    ship_ok prod stages 1000 5000 10000
    ship_ok prod split "$one" "$two=1000"
    ship_ok prod split "$one" "$two=5000"
    ship_ok prod split "$two"
    deploy 3
    ship_ok prod split "$two" "$version=1000"
    ship_ok prod split "$two"
    ship_ok prod split "$version"
    ship_ok prod put secret secrets api other
    ship_ok prod remove secret secrets api
    ship_ok prod note rollout text
    ship_ok prod note rollout
    id=$(fake state | python3 -c 'import json, sys; print(next(iter(json.load(sys.stdin)["configs"])))')
    manifest 3 ", config: { flags: $id }"
    ship_ok prod put config flags beta on
    ship_ok prod get config flags beta
    ship_ok prod list config flags
    ship_ok prod remove config flags beta
    ship_ok prod purge tag
    ship_ok prod purge
    edgectl purge tag --soft --target prod
    expect_status 0
    ship_ok prod metrics "$version" "$(date +%s)000"
    fake call "{\"name\": \"set\", \"log_rows\": [{\"deployment\": \"$version\", \"level\": \"info\",
        \"source\": \"serverless\", \"timestampInMs\": 5, \"message\": \"hello\"}]}"
    ship_ok prod logs 1
    ship_ok prod gc 0
    ship_ok prod destroy
    judge vercel
}

@test "Cloudflare: all requests are what its SDK takes" {
    start_fake cloudflare --edge
    export CLOUDFLARE_API_BASE_URL=$FAKE/client/v4 CLOUDFLARE_API_TOKEN=cf-token
    export HTTPS_PROXY=$FAKE SSL_CERT_FILE=$PWD/fake/ca.pem
    manifest() {
        cat >edge.yaml <<EOF
name: shop
build: { artifact: app.wasm }
kv: { sessions: { entries: { a: "1", b: { text: two, metadata: m } } } }
config: { flags: { rel: "$1" } }
secrets: { api-key: }
targets: { prod: { provider: cloudflare$2 } }
EOF
    }
    deploy() {
        ship_ok prod deploy app "release $1" "secrets/api-key=secret-$1"
        version=$(field version)
    }
    fake call '{"name": "script", "script": "old"}'
    fake call '{"name": "route", "zone": "zone1", "pattern": "example.com/old/*", "script": "old"}'
    manifest 1 ', domains: [a.example.com], routes: ["example.com/api/*", "example.com/old/*"]'
    ship_ok prod whoami
    deploy 1
    one=$version
    manifest 2 ""
    deploy 2
    ship_ok prod probe "$version" /
    ship_ok prod split "$one" "$version=2550"
    ship_ok prod split "$version"
    fake call '{"name": "secrets_changed", "script": "shop"}'
    ship_ok prod split "$one"
    ship_ok prod versions
    printf '\377' >bytes
    edgectl kv put sessions x --file bytes --ttl 3600 --target prod
    ship_ok prod put kv sessions c/d text
    ship_ok prod get kv sessions c/d
    ship_ok prod list kv sessions
    edgectl kv export sessions --target prod
    expect_status 0
    ship_ok prod remove kv sessions c/d
    ship_ok prod put config flags beta on
    ship_ok prod put secret secrets api-key other
    ship_ok prod note rollout text
    ship_ok prod gc 0
    manifest 2 ', routes: ["example.com/api/*"]'
    ship_ok prod purge
    ship_ok prod purge tag
    "$TEST_TOOLS/ship" prod logs 1 >/dev/null 2>&1 3>&- &
    pid=$!
    opened() { [[ $(fake call '{"name": "tails"}') == '{"open":1,'* ]]; }
    wait_for 20 opened
    fake call '{"name": "event", "event": {"outcome": "ok", "logs": [{"message": ["x"], "timestamp": 1}]}}'
    wait "$pid"
    ship_ok prod destroy
    # A token of an account, which the user's own call does not know.
    fake fault '{"match": "user/tokens", "kind": "status", "status": 401, "times": -1}'
    CLOUDFLARE_ACCOUNT_ID=acc ship_ok prod whoami
    judge cloudflare
}
