#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# KV and config of an app on AWS: CloudFront KeyValueStores, made, filled, read and written by the
# commands and by the guest's host, each call with a signature that the fake checks by itself.

load ../lib
load ship
load kv

setup() {
    scratch
    start_fake aws
    unset "${!AWS_@}"
    export AWS_ENDPOINT_URL=$FAKE AWS_ACCESS_KEY_ID=AKIDTEST AWS_SECRET_ACCESS_KEY=aws-secret-key
    small_wasm >app.wasm
    fake call '{"name": "set", "young_role_tries": 0}' >/dev/null
    manifest shop-sessions shop-flags
}

teardown() {
    stop_fake
    stop_kv
}

# manifest KV CONFIG
manifest() {
    cat >edge.yaml <<EOF
name: shop
build: { artifact: app.wasm }
kv: { sessions: { entries: { "user/1": "Ann" } } }
config: { flags: { beta: "off", color: "blue" } }
targets:
  prod: { provider: aws, kv: { sessions: "$1" }, config: { flags: "$2" } }
EOF
}

stores() {
    fake state | python3 -c 'import json, sys; print(json.dumps(json.load(sys.stdin)["stores"], sort_keys=True))'
}

to() {
    edgectl "$@" --target prod --state state
}

@test "a deploy makes the KeyValueStores and fills them once; the role may read and write them" {
    to deploy --json
    expect_status 0
    [ "$(stores)" = '{"shop-flags": {"beta": "off", "color": "blue"}, "shop-sessions": {"user/1": "Ann"}}' ]
    expect_in "$(fake state)" 'cloudfront-keyvaluestore:PutKey'
    to kv put sessions user/1 --value Eve
    expect_status 0
    to config put flags beta on
    expect_status 0
    sed -i 's/Ann/Zoe/; s/"blue"/"red"/' edge.yaml
    to deploy --json
    expect_status 0
    # What is live is not put back to what it was.
    [ "$(stores)" = '{"shop-flags": {"beta": "on", "color": "blue"}, "shop-sessions": {"user/1": "Eve"}}' ]
    to destroy --confirm shop
    expect_status 0
    [ "$(stores)" = '{}' ]
    no_violations
}

@test "kv and config: get, put, list, export, import, diff, sync, delete" {
    to deploy --json
    for command in kv\ sessions config\ flags; do
        read -r what store <<<"$command"
        if [ "$what" = kv ]; then set -- --value; else set --; fi
        to "$what" put "$store" 'a b/c' "$@" "it's ü"
        expect_status 0
        to "$what" get "$store" 'a b/c'
        expect_status 0
        [ "$output" = "it's ü" ]
        to "$what" list "$store"
        expect_in "$output" 'a b/c'
        to "$what" export "$store"
        expect_status 0
        echo "$output" >"$what.json"
        to "$what" delete "$store" 'a b/c'
        expect_status 0
        to "$what" get "$store" 'a b/c'
        expect_status 1
        to "$what" import "$store" "$what.json"
        expect_status 0
        to "$what" get "$store" 'a b/c'
        [ "$output" = "it's ü" ]
    done
    # To a store that somebody else has made: all of it, and what is too much there goes.
    fake call '{"name": "store", "store": "other", "items": {"old": "1"}}' >other.json
    arn=$(python3 -c 'import json; print(json.load(open("other.json"))["arn"])')
    echo "  next: { provider: aws, kv: { sessions: \"$arn\" }, config: { flags: other2 } }" >>edge.yaml
    edgectl kv diff sessions --from prod --target next --state state
    expect_status 0
    expect_in "$output" 'user/1'
    edgectl kv sync sessions --from prod --target next --delete --state state
    expect_status 0
    expect_in "$(stores)" "\"other\": {\"a b/c\": \"it's \\u00fc\", \"user/1\": \"Ann\"}"
    no_violations
}

@test "what a KeyValueStore does not take is refused before anything is written" {
    to deploy --json
    to kv put sessions k --value "$(head -c 1025 /dev/zero | tr '\0' x)"
    expect_status 7
    expect_in "$stderr" 'values of 1024'
    printf '{"key": "%s", "value": "1"%s}\n' a '' b ', "metadata": "m"' >in.json
    to kv import sessions in.json
    expect_status 2
    expect_in "$stderr" 'keeps no metadata'
    [ "$(stores)" = '{"shop-flags": {"beta": "off", "color": "blue"}, "shop-sessions": {"user/1": "Ann"}}' ]
    sed -i "s/blue/$(head -c 1025 /dev/zero | tr '\0' b)/" edge.yaml
    sed -i 's/shop-flags/next-flags/' edge.yaml
    fake reset
    to deploy
    expect_status 7
    expect_in "$stderr" 'the first content of config flags'
    [ -z "$(requests | grep -v '^GET' | grep -v '^POST /$')" ]
    manifest not-there shop-flags
    to kv list sessions
    expect_status 1
    expect_in "$stderr" 'not-there is not there (yet)'
    expect_in "$stderr" 'edgectl deploy --target prod'
    no_violations
}

@test "a store that changes meanwhile: the write goes on top of the change" {
    to deploy --json
    fake fault '{"match": "POST /key-value-stores", "kind": "status", "status": 409, "times": 2}'
    to kv put sessions a --value 1
    expect_status 0
    fake fault '{"match": "POST /key-value-stores", "kind": "status", "status": 409, "times": -1}'
    to kv put sessions b --value 2
    expect_status 5
    fake heal
    fake fault '{"match": "POST /key-value-stores", "kind": "reset"}'
    to kv put sessions c --value 3
    expect_status 0
    expect_in "$(stores)" '"shop-sessions": {"a": "1", "c": "3", "user/1": "Ann"}'
    no_violations
}

@test "killed at any request while stores are made and filled, the next deploy ends it" {
    local nth=1 when
    while :; do
        for when in before after; do
            stop_fake
            rm -rf fake state
            start_fake aws
            export AWS_ENDPOINT_URL=$FAKE
            fake call '{"name": "set", "slow": 0, "young_role_tries": 0}' >/dev/null
            fake kill "{\"nth\": $nth, \"when\": \"$when\", \"pid_file\": \"$PWD/pid\"}" >/dev/null
            # shellcheck disable=SC2016
            run sh -c 'echo $$ >pid; exec "$@"' sh "$EDGECTL" deploy --target prod --state state
            [ "$status" -ne 0 ] || break 2
            expect_status 137
            to deploy
            expect_status 0
            [ "$(stores)" = '{"shop-flags": {"beta": "off", "color": "blue"}, "shop-sessions": {"user/1": "Ann"}}' ]
            no_violations
        done
        nth=$((nth + ${TEST_FAULT_FULL:+-4} + 5))
    done
    [ "$nth" -gt 10 ]
}

@test "the host of a guest reads and writes the same stores, by name" {
    type node >/dev/null || skip "no node"
    to deploy --json
    run --separate-stderr node "$BATS_TEST_DIRNAME/aws_kvs.mjs" \
        "$BATS_TEST_DIRNAME/../../templates/hosts/lambda/kvs.js" shop-sessions
    expect_status 0
    python3 - "$output" <<'EOF'
import json, sys
out = json.loads(sys.argv[1])
wanted = {"nothing": None, "put": 1, "got": "one", "added": 4, "appended": 1, "prepended": 1,
          "joined": "zero-one-two", "conditional": 1, "stale": 4, "large": 5, "binary": "Unsupported",
          "metadata": "Unsupported", "page": {"keys": ["p/1", "p/2"], "cursor": "p/2"},
          "rest": {"keys": ["p/3"]}, "deleted": 1, "again": 3}
config = json.loads(out.pop("config"))
assert out == wanted, out
assert config == {"a b/c": "new", "p/2": "p/2", "p/3": "p/3", "é": "é", "user/1": "Ann"}, config
EOF
    no_violations
}

@test "KV in a REST store: a deploy fills it once and gives the function its token" {
    unset "${!UPSTASH_@}" "${!KV_@}"
    start_kv
    export KV_SESSIONS_TOKEN=kv-token
    manifest "$KV" shop-flags
    to deploy
    expect_status 0
    expect_in "$(kv_fake state)" '"edgectl:KV_SESSIONS":["user/1"]'
    expect_in "$(fake state)" '"/edgectl/shop/kv/sessions/token":{"Value":"kv-token","Type":"SecureString"}'
    [[ $(fake state) != *keyvaluestore:PutKey* ]]
    to kv put sessions 'a b' --value mine --metadata m
    expect_status 0
    to kv get sessions 'a b'
    [ "$output" = mine ]
    to deploy
    expect_status 0
    to kv list sessions
    expect_in "$output" 'a b'
    to kv delete sessions 'a b'
    to kv get sessions 'a b'
    expect_status 1
    FAKE=$KV no_violations
    no_violations
}
