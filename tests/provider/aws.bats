#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The AWS driver against its fake, which checks every signature by itself.

load ../lib
load ship

setup() {
    scratch
    start_fake aws
    unset "${!AWS_@}"
    export AWS_ENDPOINT_URL=$FAKE AWS_ACCESS_KEY_ID=AKIDTEST AWS_SECRET_ACCESS_KEY=aws-secret-key
    manifest
    for n in 1 2 3; do bundle "$n"; done
}

teardown() {
    stop_fake
}

# manifest [KEYS of the target]
manifest() {
    cat >edge.yaml <<EOF
name: shop
build: { command: "true", artifact: app.wasm }
backends: { origin: { url: "https://origin.example.com" } }
targets: { prod: { provider: aws${1:+, $1} } }
EOF
}

bundle() {
    python3 - "$1" <<'EOF'
import sys, zipfile
with zipfile.ZipFile(f"b{sys.argv[1]}.zip", "w") as z:
    z.writestr("lambda/index.js", f"exports.handler = {sys.argv[1]}")
EOF
}

deploy() {
    ship_ok prod deploy "b$1.zip" "rel$1" "secrets/api=d$1"
}

split() {
    ship_ok prod get-split
    expect_in "$output" "\"arms\": $1"
}

arns() { # of a distribution, in the order of its configuration
    fake state | python3 -c "
import json, re, sys
print(' '.join(re.findall('<LambdaFunctionARN>([^<]*)', json.load(sys.stdin)['distributions']['$1']['config'])))"
}

@test "a first deploy makes role, function, secret, distribution and version; a second does nothing" {
    deploy 1
    expect_in "$output" '"version": "1", "first": true, "url": "https://d'
    for made in "role edgectl-shop" "function shop" "secret secrets/api" distribution "version rel1"; do
        expect_in "$output" "\"verb\": \"make\", \"id\": \"$made\""
    done
    fake reset
    deploy 1
    expect_in "$output" '"steps": [], "version": "1"'
    [ -z "$(requests | grep -v '^GET' | grep -v '^POST /$')" ]
    run fake state
    expect_in "$output" '"trust":["lambda.amazonaws.com","edgelambda.amazonaws.com"]'
    expect_in "$output" '"Value":"d1","Type":"SecureString"'
    no_violations
}

@test "a role that IAM forgets for a moment is waited for" {
    fake call '{"name": "set", "shy_role_tries": 3}'
    deploy 1
    expect_in "$(fake state)" '"policies":{"edgectl":'
    no_violations
}

@test "traffic: all of it, a share, none but by header, promoted, taken back" {
    deploy 1
    split '[]'
    ship_ok prod split 1
    split '[{"version": "1", "bp": 10000}]'
    deploy 2
    # Among policies of others, on the second page.
    fake call '{"name": "policy"}'
    ship_ok prod split 1 2=0
    split '[{"version": "1", "bp": 10000}, {"version": "2", "bp": 0}]'
    ship_ok prod split 1 2=1500
    split '[{"version": "1", "bp": 8500}, {"version": "2", "bp": 1500}]'
    ship prod split 1 2=1501
    expect_status 2
    expect_in "$stderr" 'from 1 to 15 %'
    ship_ok prod split 1
    split '[{"version": "1", "bp": 10000}]'
    ship_ok prod split 1 2=500
    fake reset
    ship_ok prod split 2
    expect_in "$(requests)" promote-staging-config
    split '[{"version": "2", "bp": 10000}]'
    deploy 3
    ship_ok prod split 3
    split '[{"version": "3", "bp": 10000}]'
    ship_ok prod split 3 1=100
    split '[{"version": "3", "bp": 9900}, {"version": "1", "bp": 100}]'
    no_violations
}

@test "what was made by somebody else is adopted by steps that say so, and stays what it was" {
    fake call '{"name": "function"}'
    fake call '{"name": "distribution", "certificate": true}' >d.json
    id=$(python3 -c 'import json; print(json.load(open("d.json"))["id"])')
    manifest "distribution: $id, domains: [app.example.com]"
    deploy 1
    expect_in "$output" '"verb": "adopt", "id": "function shop"'
    expect_in "$stderr" "role arn:aws:iam::123456789012:role/theirs must trust"
    [[ $(fake state) == *'"roles":{}'* ]]
    expect_in "$output" "\"verb\": \"adopt\", \"id\": \"distribution $id\""
    expect_in "$output" 'it has no function'
    expect_in "$output" "\"verb\": \"change\", \"id\": \"domain app.example.com\""
    expect_in "$output" '"url": "https://app.example.com/"'
    ship_ok prod split 1
    [ "$(arns "$id")" = arn:aws:lambda:us-east-1:123456789012:function:shop:1 ]
    deploy 1
    expect_in "$output" '"steps": []'
    ship_ok prod destroy
    expect_in "$output" "take shop off the distribution $id"
    [ -z "$(arns "$id")" ]
    expect_in "$(fake state)" app.example.com
    no_violations
}

@test "a function of another app is not touched" {
    fake call '{"name": "function", "owner": "other"}'
    ship prod deploy b1.zip rel1
    expect_status 5
    expect_in "$stderr" "belongs to the app 'other'"
    expect_in "$stderr" "targets.prod.function"
}

@test "domains need a certificate at the distribution" {
    manifest 'domains: [app.example.com]'
    ship prod plan b1.zip rel1
    expect_status 9
    expect_in "$stderr" 'app.example.com cannot be served'
    expect_in "$stderr" 'AWS Certificate Manager'
}

@test "somebody's edit in between is kept; another function there is drift" {
    deploy 1
    fake fault '{"match": "PUT .*/config$", "kind": "status", "status": 412, "times": 2}'
    ship_ok prod split 1
    split '[{"version": "1", "bp": 10000}]'
    deploy 2
    fake fault '{"match": "PUT .*/config$", "kind": "status", "status": 412, "times": -1}'
    ship prod split 2
    expect_status 5
    expect_in "$stderr" 'was changed meanwhile'
}

@test "a change of a canary whose answer was lost is seen to be done" {
    fake call '{"name": "set", "slow": 0, "young_role_tries": 0}'
    deploy 1
    ship_ok prod split 1
    deploy 2
    for change in '1 2=0:PUT .*/config$' '1 2=500:PUT .*deployment-policy/' '2:PUT .*/promote'; do
        fake fault "{\"match\": \"${change#*:}\", \"kind\": \"reset\"}"
        # shellcheck disable=SC2086
        ship_ok prod split ${change%%:*}
    done
    split '[{"version": "2", "bp": 10000}]'
    no_violations
}

@test "versions in use are kept by gc, those with copies at the edge go later" {
    for n in 1 2 3; do deploy "$n"; done
    ship_ok prod split 3
    fake call '{"name": "replicate", "arns": ["arn:aws:lambda:us-east-1:123456789012:function:shop:1"]}'
    ship_ok prod gc 0
    expect_in "$stderr" 'version 1 of shop still has copies at the edge'
    ship_ok prod versions
    expect_in "$output" '"id": "3"'
    expect_in "$output" '"id": "1"'
    [[ $output != *'"id": "2"'* ]]
    fake call '{"name": "replicate", "arns": []}'
    ship_ok prod gc 0
    ship_ok prod versions
    [[ $output != *'"id": "1"'* ]]
    no_violations
}

@test "gc: values of secrets that no kept version uses go, with the newest of each kept" {
    small_wasm >app.wasm
    printf 'config: { flags: { rel: "${REL}" } }\n' >>edge.yaml
    export REL
    for REL in 1 2 3; do ship_ok prod deploy app "release $REL" "secrets/api=v$REL" secrets/same=s; done
    ship_ok prod split 2
    ship_ok prod put secret secrets api next
    ship_ok prod gc 1
    # 2 has the traffic, 3 is the newest: 1 goes.
    expect_in "$output" 'delete version 1 of shop'
    [ "$(grep -o 'no version that is kept uses it' <<<"$output" | wc -l)" -eq 1 ]
    expect_in "$output" 'delete the parameter /edgectl/shop/secrets/api/'
    # Those of 2 and 3, and the one for the next release; the one that all have.
    ship_ok prod list secret secrets
    [ "$(grep -o '"key": "api"' <<<"$output" | wc -l)" -eq 3 ]
    expect_in "$output" '"key": "api", "digest": "next"'
    [ "$(grep -o '"key": "same"' <<<"$output" | wc -l)" -eq 1 ]
    fake reset
    ship_ok prod gc 1
    [ "$output" = "[]" ]
    no_violations
}

@test "two targets of an app in one account have nothing in common" {
    sed -i 's/^targets: .*/targets: { prod: { provider: aws }, staging: { provider: aws, function: shop-staging } }/' edge.yaml
    deploy 1
    ship_ok staging deploy b1.zip rel1 secrets/api=d1
    expect_in "$(fake state)" '"/edgectl/shop/secrets/api/d1"'
    expect_in "$(fake state)" '"/edgectl/shop-staging/secrets/api/d1"'
    ship_ok staging note rollout "of staging"
    ship_ok prod note rollout
    [[ $output != *"of staging"* ]]
    ship_ok staging destroy
    expect_in "$(fake state)" '"/edgectl/shop/secrets/api/d1"'
    [[ $(fake state) != */edgectl/shop-staging/* ]]
    ship_ok prod versions
    expect_in "$output" '"id": "1"'
    no_violations
}

@test "nothing is left of an app that was destroyed" {
    deploy 1
    ship_ok prod split 1
    deploy 2
    ship_ok prod split 1 2=1000
    ship_ok prod note rollout 'some text'
    ship_ok prod note rollout
    expect_in "$output" '"found": true, "text": "some text"'
    ship_ok prod destroy
    run fake state
    expect_in "$output" '"roles":{},"parameters":{}'
    expect_in "$output" '"functions":{},"distributions":{},"policies":{}'
    no_violations
}

@test "a version is tried before it has traffic, by calling it" {
    deploy 1
    ship_ok prod probe 1 /
    [ "$output" = '{"status": 200, "version": "1", "verified": true, "why": ""}' ]
    ship_ok prod probe 1 /missing
    expect_in "$output" '"status": 404'
    ship_ok prod probe 1 /boom
    expect_in "$output" '"status": 502'
    expect_in "$stderr" 'the function failed: boom'
    ship prod probe 9 /
    expect_status 1
    expect_in "$stderr" 'calling version 9'
    expect_in "$stderr" 'Function not found'
    no_violations
}

@test "numbers are those of the distribution that a version is on" {
    deploy 1
    ship_ok prod split 1
    deploy 2
    ship_ok prod split 1 2=1000
    read -r primary staging < <(fake state | python3 -c '
import json, sys
d = json.load(sys.stdin)["distributions"]
print(next(i for i in d if not d[i]["staging"]), next(i for i in d if d[i]["staging"]))')
    now=$(($(date +%s) / 60 * 60 - 600))
    fake call "{\"name\": \"points\", \"id\": \"$primary\", \"metric\": \"Requests\",
                \"points\": [[$now, 1000], [$((now + 60)), 500]]}"
    fake call "{\"name\": \"points\", \"id\": \"$primary\", \"metric\": \"5xxErrorRate\",
                \"points\": [[$now, 0.5], [$((now + 60)), 2]]}"
    fake call "{\"name\": \"points\", \"id\": \"$primary\", \"metric\": \"LambdaExecutionError\",
                \"points\": [[$now, 3]]}"
    fake call "{\"name\": \"points\", \"id\": \"$staging\", \"metric\": \"Requests\", \"points\": [[$now, 90]]}"
    ship_ok prod metrics 1 "${now}000"
    [ "$output" = "{\"requests\": 1500, \"errors\": 15, \"traps\": 3, \"until_ms\": $((now + 120))000}" ]
    ship_ok prod metrics 2 "${now}000"
    [ "$output" = "{\"requests\": 90, \"errors\": 0, \"traps\": 0, \"until_ms\": $((now + 60))000}" ]
    ship_ok prod metrics 7 "${now}000"
    expect_in "$output" '"requests": 0'
    no_violations
}

@test "logs come from every region, each line once, with its version" {
    deploy 1
    now=$(date +%s)000
    fake call "{\"name\": \"log\", \"function\": \"shop\", \"version\": 1, \"timestamp\": $now,
                \"message\": \"2026\\t01234567-89ab-cdef-0123-456789abcdef\\tINFO\\thello\\n\"}"
    fake call "{\"name\": \"log\", \"function\": \"shop\", \"version\": 2, \"timestamp\": $now, \"message\": \"two\"}"
    ship_ok prod logs 2
    expect_in "$output" '"version": "1", "request": "01234567-89ab-cdef-0123-456789abcdef"'
    expect_in "$output" 'INFO\thello"'
    fake call "{\"name\": \"log\", \"function\": \"shop\", \"version\": 3, \"timestamp\": $((now - 9000)), \"message\": \"[2] of a pair\"}"
    fake call "{\"name\": \"log\", \"function\": \"shop\", \"version\": 3, \"timestamp\": $now, \"message\": \"{\\\"_aws\\\":{}}\"}"
    ship_ok prod logs 2 2
    expect_in "$output" '"version": "2", "request": "", "text": "of a pair"'
    [[ $output != *_aws* ]]
    expect_in "$output" '"version": "2", "request": "", "text": "two"'
    no_violations
}

looks() { # that many at logs
    [ "$(requests | grep -c '^POST /$')" -ge "$1" ]
}

@test "a line that comes late is not lost" {
    deploy 1
    now=$(date +%s)000
    fake call "{\"name\": \"log\", \"function\": \"shop\", \"version\": 1, \"timestamp\": $now, \"message\": \"first\"}"
    fake reset
    "$TEST_TOOLS/ship" prod logs 13 >lines 3>&- &
    local tail=$!
    # The fake has one log for all twelve regions.
    wait_for 30 looks 13
    fake call "{\"name\": \"log\", \"function\": \"shop\", \"version\": 1, \"timestamp\": $((now - 5000)), \"message\": \"late\"}"
    wait "$tail"
    expect_in "$(cat lines)" '"text": "first"'
    expect_in "$(cat lines)" '"text": "late"'
    no_violations
}

@test "purge is an invalidation" {
    deploy 1
    ship_ok prod purge
    ship_ok prod purge /a/b
    expect_in "$(fake state)" '"invalidations":[["/*"],["/a/b"]]'
    no_violations
}

@test "secrets: names and digests are listed, values never; each is deleted with all its values" {
    ship_ok prod put secret secrets api one
    ship_ok prod put secret secrets api two
    ship_ok prod put secret secrets other three
    ship_ok prod list secret secrets
    [ "$output" = '[{"key": "api", "digest": "one", "value": null}, {"key": "api", "digest": "two", "value": null}, {"key": "other", "digest": "three", "value": null}]' ]
    ship_ok prod remove secret secrets api
    ship_ok prod list secret secrets
    [ "$output" = '[{"key": "other", "digest": "three", "value": null}]' ]
    no_violations
}

@test "config in a KeyValueStore: signed for every region, each write on top of the last" {
    arn=$(fake call '{"name": "store"}' | cut -d'"' -f4)
    manifest "config: { flags: \"$arn\" }"
    echo 'config: { flags: { beta: "off" } }' >>edge.yaml
    ship_ok prod put config flags beta on
    fake fault '{"match": "POST /key-value-stores", "kind": "status", "status": 409, "times": 2}'
    ship_ok prod put config flags 'a b/c' two
    ship_ok prod put config flags third 3
    ship_ok prod list config flags
    [ "$output" = '[{"key": "a b/c", "digest": null, "value": "two"}, {"key": "beta", "digest": null, "value": "on"}, {"key": "third", "digest": null, "value": "3"}]' ]
    ship_ok prod get config flags 'a b/c'
    [ "$output" = '{"found": true, "value": "two"}' ]
    ship_ok prod remove config flags beta
    ship_ok prod get config flags beta
    expect_in "$output" '"found": false'
    ship prod put config flags big "$(head -c 2000 /dev/zero | tr '\0' x)"
    expect_status 7
    expect_in "$stderr" 'values of 1024'
    ship prod list config other
    expect_status 2
    expect_in "$stderr" 'shipped with the release'
    requests | grep -q 'key-value-store%2F[0-9a-f-]*/keys/a%20b%2Fc'
    no_violations
}
