#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Traffic on AWS by the router: a CloudFront Function, a KeyValueStore, and a function with two versions.

load ../lib
load ship

setup() {
    scratch
    unset "${!AWS_@}"
    small_wasm >app.wasm
    manifest
    begin
}

teardown() {
    stop_fake
}

# manifest [KEYS of the target]
manifest() {
    cat >edge.yaml <<EOF
name: shop
build: { artifact: app.wasm }
config: { flags: { rel: "\${REL}" } }
rollout:
  steps: [1%, 50%, 100%]
  soak: 0s
  poll: 100ms
  deadline: 30s
  gates: [{errors: {max-ratio: 2}}]
  evidence: { command: "sh ./count" }
targets: { prod: { provider: aws, router: true${1:+, $1} } }
EOF
}

begin() {
    stop_fake
    rm -rf fake state
    start_fake aws
    export AWS_ENDPOINT_URL=$FAKE AWS_ACCESS_KEY_ID=AKIDTEST AWS_SECRET_ACCESS_KEY=aws-secret-key REL=0
    fake call '{"name": "set", "slow": 0, "young_role_tries": 0}' >/dev/null
}

deploy() {
    REL=$1 ship_ok prod deploy app "release $1"
    version=$(field version)
}

split() {
    ship_ok prod get-split
    expect_in "$output" "\"arms\": $1"
}

# What the router reads, but for its salt.
rollout_value() {
    fake state | python3 -c 'import json, sys
r = json.loads(json.load(sys.stdin)["stores"]["edgectl-shop"]["rollout"])
assert r["salt"] and r["force_header"] == "x-edgectl-canary", r
print(r["stable"], r["canary"], r["weight_bp"])'
}

# The versions and functions at the only distribution.
at_edge() {
    fake state | python3 -c 'import json, re, sys
(d,) = json.load(sys.stdin)["distributions"].values()
print(*re.findall("<LambdaFunctionARN>.*?function:shop:([0-9]+)<", d["config"]),
      *re.findall("<FunctionARN>.*?:function/([^<]+)</FunctionARN><EventType>([^<]+)", d["config"]))'
}

@test "a deploy makes, publishes and attaches the router; a second does nothing" {
    fake call '{"name": "set", "slow": 1, "young_role_tries": 1}'
    deploy 1
    expect_in "$output" '"verb": "make", "id": "router-store"'
    expect_in "$output" '"verb": "make", "id": "router"'
    ship_ok prod split 1
    split '[{"version": "1", "bp": 10000}]'
    [ "$(rollout_value)" = "1 1 0" ]
    [ "$(at_edge)" = "1 ('edgectl-shop', 'viewer-request') ('edgectl-shop', 'viewer-response')" ]
    expect_in "$(fake state)" '"cf_functions":{"edgectl-shop":["DEVELOPMENT","LIVE"]}'
    fake reset
    deploy 1
    expect_in "$output" '"steps": []'
    [ -z "$(requests | grep -v '^GET' | grep -v '^POST /$')" ]
    # Another code, as of another edgectl, or by hand: changed and published anew.
    fake call '{"name": "cf_function", "function": "edgectl-shop", "code": "x"}'
    deploy 1
    expect_in "$output" '"verb": "change", "id": "router"'
    deploy 1
    expect_in "$output" '"steps": []'
    no_violations
}

@test "any share: one pair is made, then each step is one write" {
    deploy 1
    ship_ok prod split 1
    deploy 2
    ship_ok prod split 1 2=0
    split '[{"version": "1", "bp": 10000}, {"version": "2", "bp": 0}]'
    [ "$(rollout_value)" = "1 2 0" ]
    [ "$(at_edge | cut -c1)" = 3 ]
    for bp in 1 1500 5000 9999; do
        fake reset
        ship_ok prod split 1 2=$bp
        split "[{\"version\": \"1\", \"bp\": $((10000 - bp))}, {\"version\": \"2\", \"bp\": $bp}]"
        [ "$(requests | grep -v '^GET' | grep -v '^POST /$' | sed 's/%.*%2F[0-9a-f-]*/ID/')" = \
            'PUT /key-value-stores/arnID/keys/rollout' ]
    done
    ship prod split 1 2=10000 # no share
    expect_status 2
    # A pair holds both, whole: each with its own host.
    curl -sS -o pair.zip "$FAKE/code/shop/3?X-Amz-Signature=presigned"
    names=$(python3 -c 'import zipfile; print(*zipfile.ZipFile("pair.zip").namelist())')
    for file in lambda/index.js package.json versions.js v1/app.wasm v1/bindings.js v1/lambda/index.js v2/app.wasm \
        v2/bindings.js v2/core/host.js; do
        [[ " $names " == *" $file "* ]] || {
            echo "no $file in $names"
            return 1
        }
    done
    [ "$(python3 -c 'import zipfile; print(zipfile.ZipFile("pair.zip").read("versions.js").decode().splitlines()[0])')" = \
        'export default { "1": "v1/", "2": "v2/" };' ]
    # Versions are those of the app.
    ship_ok prod versions
    [[ $output != *'"id": "3"'* ]]
    # All of it: first by the label, then without the pair.
    ship_ok prod split 2
    split '[{"version": "2", "bp": 10000}]'
    [ "$(rollout_value)" = "2 2 0" ]
    [ "$(at_edge | cut -c1)" = 2 ]
    # The other way round it is the same pair.
    ship_ok prod split 2 1=300
    [ "$(at_edge | cut -c1)" = 3 ]
    ship_ok prod split 2
    ship_ok prod gc 0
    expect_in "$output" 'delete version 3 of shop, made for a rollout'
    split '[{"version": "2", "bp": 10000}]'
    ship_ok prod destroy
    run fake state
    expect_in "$output" '"functions":{},"distributions":{},"policies":{}'
    expect_in "$output" '"stores":{},"cf_functions":{},"cf_policies":{}'
    no_violations
}

@test "somebody else's distribution: copies of its policies have the headers, destroy puts them back" {
    fake call '{"name": "distribution", "policies": {"CachePolicyId": "658327ea-f89d-4fab-a63d-7e88639e58f6",
        "OriginRequestPolicyId": "59781a5b-3903-41f3-afcb-af62929ccde1"}}' >d.json
    manifest "distribution: $(python3 -c 'import json; print(json.load(open("d.json"))["id"])')"
    before=$(fake state | grep -o '<CachePolicyId>.*</OriginRequestPolicyId>')
    deploy 1
    ship_ok prod split 1
    deploy 2
    ship_ok prod split 1 2=2500
    fake call '{"name": "show_policies"}' >made.json
    python3 - <<'EOF'
import json
made = json.load(open("made.json"))
assert made["edgectl-shop-658327ea-f89d-4fab-a63d-7e88639e58f6"] == ["whitelist", "x-edgectl-version"], made
assert made["edgectl-shop-59781a5b-3903-41f3-afcb-af62929ccde1"] == \
    ["whitelist", "Origin", "x-edgectl-version", "x-edgectl-via"], made
EOF
    [ "$(fake state | grep -o '<CachePolicyId>.*</OriginRequestPolicyId>')" != "$before" ]
    ship_ok prod destroy
    [ "$(fake state | grep -o '<CachePolicyId>.*</OriginRequestPolicyId>')" = "$before" ]
    [ "$(at_edge)" = "" ]
    expect_in "$(fake state)" '"cf_policies":{}'
    no_violations
}

@test "a function at the viewer's events is in the way; without router: true it goes" {
    deploy 1
    ship_ok prod split 1
    sed -i 's/router: true/router: false/' edge.yaml
    deploy 2
    ship_ok prod split 1 2=500
    [[ $(fake state) == *'"policies":{"P'* ]]
    ship_ok prod split 2
    [[ $(fake state) != *'<FunctionARN>'* ]]
    fake call '{"name": "distribution", "function": null}' >d.json
    id=$(python3 -c 'import json; print(json.load(open("d.json"))["id"])')
    fake call '{"name": "edge", "function": "theirs"}'
    fake call "{\"name\": \"edge_at\", \"id\": \"$id\", \"function\": \"theirs\"}"
    manifest "distribution: $id"
    REL=3 ship prod plan app "release 3"
    expect_status 5
    expect_in "$stderr" 'the router cannot be at the viewer'
    expect_in "$stderr" 'function/theirs is there'
    no_violations
}

@test "who changes the shares meanwhile is not overwritten" {
    deploy 1
    ship_ok prod split 1
    deploy 2
    ship_ok prod split 1 2=100
    fake fault '{"match": "PUT /key-value-stores", "kind": "status", "status": 409, "times": -1}'
    ship prod split 1 2=200
    expect_status 5
    fake heal
    # An answer that was lost is no change by somebody else.
    fake fault '{"match": "PUT /key-value-stores", "kind": "reset"}'
    ship_ok prod split 1 2=300
    [ "$(rollout_value)" = "1 2 300" ]
    # What is no rollout is everybody's stable version.
    fake call '{"name": "put", "store": "edgectl-shop", "key": "rollout", "value": "{}"}'
    split '[{"version": "1", "bp": 10000}]'
    fake fault '{"match": "GET /code/", "kind": "truncated", "times": -1}'
    deploy 3
    ship prod split 1 3=200
    [ "$status" -ne 0 ]
    expect_in "$stderr" 'the code of version'
    no_violations
}

@test "numbers are by version, from every region, with a histogram" {
    deploy 1
    ship_ok prod split 1
    deploy 2
    ship_ok prod split 1 2=5000
    now=$(($(date +%s) / 60 * 60 - 600))
    fake call "{\"name\": \"samples\", \"version\": \"1\", \"minute\": $now, \"samples\": [[3, 0, 0], [250, 0, 0], [251, 1, 0]]}"
    fake call "{\"name\": \"samples\", \"version\": \"1\", \"minute\": $((now + 60)), \"region\": \"eu-west-1\",
                \"samples\": [[0.2, 0, 0], [99999, 1, 1]]}"
    fake call "{\"name\": \"samples\", \"version\": \"2\", \"minute\": $now, \"samples\": [[5, 0, 0]]}"
    ship_ok prod metrics 1 "${now}000"
    [ "$output" = "{\"requests\": 5, \"errors\": 2, \"traps\": 1, \"until_ms\": $((now + 120))000, \"latency\": {\"1000\": 1, \"3000\": 1, \"250000\": 1, \"300000\": 1, \"more\": 1}}" ]
    ship_ok prod metrics 2 "${now}000"
    expect_in "$output" '"requests": 1, "errors": 0, "traps": 0'
    ship_ok prod metrics 2 "$((now + 300))000"
    expect_in "$output" '"requests": 0'
    [[ $output != *latency* ]]
    no_violations
}

# Counts that grow at each look: the new version's errors per 1,000 requests.
counts() {
    echo 0 >looks
    cat >count <<EOF
n=\$((\$(cat looks) + 1))
echo \$n >looks
printf '{"versions": {"%s": {"requests": %d, "errors": %d}, "%s": {"requests": %d, "errors": %d}}}' \
    "\$EDGECTL_ROLLOUT_STABLE" \$((n * 9000)) \$((n * 45)) \
    "\$EDGECTL_ROLLOUT_CANARY" \$((n * 1000)) \$((n * $1))
EOF
}

rollout() {
    # shellcheck disable=SC2016
    run --separate-stderr sh -c '[ -z "$KILLABLE" ] || echo $$ >pid; exec "$@"' sh \
        "$EDGECTL" rollout "$@" --target prod --state state
}

two() {
    begin
    deploy 1
    ship_ok prod split 1
    deploy 2
    counts "$1"
}

@test "a rollout says how it is bridged, advances through 50 %, or is put back" {
    two 5
    rollout plan
    expect_in "$output" '50 %'
    expect_in "$output" 'by the router in front of the two versions'
    rollout run
    expect_status 0
    [ "$(at_edge | cut -c1)" = 2 ]
    [ "$(rollout_value)" = "2 2 0" ]
    two 200
    rollout run
    expect_status 3
    [ "$(at_edge | cut -c1)" = 1 ]
    two 5
    rollout start
    expect_status 0
    split '[{"version": "1", "bp": 9900}, {"version": "2", "bp": 100}]'
    rollout abort
    expect_status 0
    split '[{"version": "1", "bp": 10000}]'
    sed -i 's/router: true/router: false/' edge.yaml
    rollout plan
    expect_in "$output" '50% was asked for; CloudFront by itself gives 1 to 15 % or all; `router: true` in the target would'
    no_violations
}

@test "killed at any request of a deploy or a rollout by the router, the next run ends it" {
    local nth when=before what runs=0
    for what in "deploy 2" "rollout run"; do
        nth=1
        while :; do
            begin
            deploy 1
            ship_ok prod split 1
            [ "$what" = "deploy 2" ] || deploy 2
            counts 5
            fake kill "{\"nth\": $nth, \"when\": \"$when\", \"pid_file\": \"$PWD/pid\"}" >/dev/null
            if [ "$what" = "deploy 2" ]; then
                REL=2 KILLABLE=yes ship_maybe_killed prod deploy app "release 2"
            else
                KILLABLE=yes rollout run
            fi
            [ "$status" -eq 137 ] || break
            runs=$((runs + 1))
            [ "$what" = "rollout run" ] || deploy 2
            echo "killed $when request $nth of $what"
            if ((runs % 3)); then rollout resume; else rollout abort; fi
            [ "$status" -ne 2 ] || rollout run
            echo "then: $status $output $stderr"
            # Killed after its last word there is nothing left to do.
            [[ $status == [03] || $stderr == *"2, has all traffic"* ]]
            ship_ok prod get-split
            python3 - "$output" <<'EOF'
import json, sys
arms = [a for a in json.loads(sys.argv[1])["arms"] if a["bp"]]
assert len(arms) == 1, arms
EOF
            no_violations
            if [ "$when" = before ]; then when=after; else when=before; fi
            [ "$when" = after ] && [ -n "${TEST_FAULT_FULL-}" ] || nth=$((nth + ${TEST_FAULT_FULL:+-22} + 23))
        done
    done
    [ "$runs" -gt 2 ]
}
