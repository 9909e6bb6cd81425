#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# From the first deploy to destroy on AWS with one answer lost in each command, at every place in turn (a
# sample of places; TEST_FAULT_FULL: all, and other faults that pass): each command goes well all the same.

load ../lib
load ship

setup() {
    scratch
    unset "${!AWS_@}"
    small_wasm >app.wasm
}

teardown() {
    stop_fake
}

begin() {
    stop_fake
    rm -rf fake state
    start_fake aws
    export AWS_ENDPOINT_URL=$FAKE AWS_ACCESS_KEY_ID=AKIDTEST AWS_SECRET_ACCESS_KEY=aws-secret-key
    fake call '{"name": "set", "slow": 0, "young_role_tries": 0}' >/dev/null
}

# life KIND NTH: every command with that fault at its Nth request. $struck: how many had one.
life() {
    local command fault="{\"match\": \".\", \"kind\": \"$1\", \"skip\": $2}"
    begin
    struck=0
    while read -r REL command; do
        export REL
        fake heal >/dev/null
        fake fault "$fault" >/dev/null
        # shellcheck disable=SC2086
        ship prod $command
        [ "$status" -eq 0 ] || echo "with $1 at request $2 of: $command"
        expect_status 0
        [ "$(fake faults)" != 0 ] || struck=$((struck + 1))
    done <<'EOF'
1 deploy app one secrets/api=v1
1 split 1
2 deploy app two secrets/api=v2
2 split 1 2=500
2 split 1 2=1000
2 split 2
2 gc 0
2 destroy
EOF
    fake state | python3 -c '
import json, sys
s = json.load(sys.stdin)
for what in "roles", "functions", "distributions", "policies", "stores", "cf_functions", "cf_policies", "parameters":
    assert not s[what], (what, s[what])'
    no_violations
}

# everywhere ROUTER
everywhere() {
    local kind nth
    cat >edge.yaml <<EOF
name: shop
build: { artifact: app.wasm }
kv: { sessions: { entries: { a: "1" } } }
config: { flags: { rel: "\${REL}" } }
targets: { prod: { provider: aws, router: $1, kv: { sessions: shop-sessions } } }
EOF
    for kind in reset ${TEST_FAULT_FULL:+status 429}; do
        nth=${TEST_FAULT_FULL:+0}
        for ((nth = ${nth:-4}; ; nth += ${TEST_FAULT_FULL:+-12} + 13)); do
            life "$kind" "$nth"
            [ "$struck" -gt 0 ] || break
        done
    done
    [ "$nth" -gt 25 ]
}

@test "an answer is lost anywhere, two versions sharing by CloudFront" {
    everywhere false
}

@test "an answer is lost anywhere, two versions sharing by the router" {
    everywhere true
}
