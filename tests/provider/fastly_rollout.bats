#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# By the commands, on Fastly's fake: what is staged, what another machine sees and can do, leaving.

load ../lib
load ship

setup() {
    scratch
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
kv: { sessions: { entries: { a: "1" } } }
config: { flags: { rel: "\${REL}" } }
secrets: { api-key: { env: API_KEY } }
targets: { prod: { provider: fastly${1:+, $1} } }
EOF
}

# With a rollout; $1: keys of the target, $2: more keys of the rollout.
rollout_manifest() {
    manifest "$1"
    cat >>edge.yaml <<EOF
rollout:
  steps: [1%, 10%, 100%]
  soak: 0s
  poll: 100ms
  deadline: 20s
  gates: [{ errors: { max-ratio: 2 } }]
  evidence: { command: "sh ./count"${2-} }
EOF
    cat >count <<'EOF'
n=$(cat looks 2>/dev/null || echo 0)
echo $((n + 1)) >looks
printf '{"versions": {"%s": {"requests": %d, "errors": 0}, "%s": {"requests": %d, "errors": 0}}}' \
    "$EDGECTL_ROLLOUT_STABLE" $((n * 9000)) "$EDGECTL_ROLLOUT_CANARY" $((n * 1000))
EOF
}

# command ARG...: on target prod.
command() {
    edgectl "$@" --target prod
}

# here N: this is machine N from now on, with a state of its own.
here() {
    export EDGECTL_MACHINE=$1
    command() {
        edgectl "$@" --target prod --state "state-$EDGECTL_MACHINE"
    }
}

deploy() {
    REL=$1 command deploy --no-probe "${@:2}"
    expect_status 0
}

# state EXPRESSION: of Python, about `s` (the fake's state) and `v` (the versions of shop).
state() {
    fake state | python3 -c 'import json, sys
s = json.load(sys.stdin)
v = s["services"].get("shop", {}).get("versions")
print(eval(sys.argv[1]))' "$1"
}

changes() {
    requests | grep -v '^GET' | sed 's,/SU[0-9a-f]*,,'
}

@test "a preview is on the staging network only, which gc ends" {
    REL=1 command deploy --preview
    expect_status 2
    expect_in "$stderr" "has no preview of an app that is not there yet"
    [ "$(state 's["services"]')" = "{}" ]
    deploy 1
    deploy 2 --preview
    host=$(state 'v["2"]["domains"][0]')
    expect_in "$stderr" "curl --resolve $host:443:127.0.0.1 https://$host/"
    [ "$(state '[(x["active"], x["staging"]) for x in v.values()]')" = "[(True, False), (False, True)]" ]
    fake reset >/dev/null
    deploy 2 --preview
    [ -z "$(changes)" ]
    expect_in "$stderr" "curl --resolve $host:443:127.0.0.1"
    # Tested there, then activated: no upload.
    fake call '{"name": "break", "version": "shop.2"}' >/dev/null
    REL=2 command deploy
    expect_status 1
    expect_in "$stderr" "answered GET / with 500"
    [ "$(state 's["services"]["shop"]["active"]')" = 1 ]
    deploy 2
    [ "$(changes)" = "PUT /service/version/2/activate" ]
    deploy 3 --preview
    deploy 4
    deploy 5
    [ "$(state 'v["3"]["staging"]')" = True ]
    command gc --keep 2
    expect_status 0
    [ "$(state 'any(x["staging"] for x in v.values())')" = False ]
    # One that is staged keeps nothing from being destroyed.
    deploy 6 --preview
    command destroy --confirm shop
    expect_status 0
    [ "$(state '(s["services"], s["stores"])')" = "({}, {})" ]
    no_violations
}

@test "behind a router a preview has an address of its own" {
    manifest "router: true, domains: [shop.example.com]"
    deploy 1
    REL=2 command --json deploy --preview
    expect_status 0
    url=$(python3 -c 'import json, sys; print(json.load(sys.stdin)["preview_url"])' <<<"$output")
    [ "$url" = "https://$(state 's["services"]["shop-b"]["versions"]["1"]["domains"][0]')" ]
    expect_in "$stderr" "it answers with 200"
    [[ $(fake call '{"name": "ask", "host": "shop.example.com", "share": 0}') == *shop-a.1* ]]
    [[ $(fake call "{\"name\": \"ask\", \"host\": \"${url#https://}\"}") == *shop-b.1* ]]
    # The same again is at the same place, and can be given traffic.
    REL=2 command --json deploy --preview
    expect_in "$output" "\"preview_url\":\"$url\""
    deploy 2
    [[ $(fake call '{"name": "ask", "host": "shop.example.com", "share": 0}') == *shop-b.1* ]]
    [ "$(state 'len(s["services"]["shop-b"]["versions"])')" = 1 ]
    no_violations
}

@test "a rollout without a router goes by the staging network, and says so" {
    rollout_manifest
    deploy 1
    deploy 2
    command rollout plan
    expect_status 0
    expect_in "$output" "by its header or address only"
    expect_in "$output" 'only on the staging network: `router: true` in the target would share traffic'
    command rollout plan --json
    [ "$(python3 -c 'import json, sys
print([(s["bp"], s["judged"]) for s in json.load(sys.stdin)["steps"]])' <<<"$output")" = \
        "[(0, False), (10000, False)]" ]
    fake reset >/dev/null
    command rollout run
    expect_status 0
    [ "$(changes | grep -v /resources/)" = "PUT /service/version/2/activate/staging
PUT /service/version/2/activate" ]
    [ "$(state 's["services"]["shop"]["active"]')" = 2 ]
    no_violations
}

@test "a rollout by the staging network, killed around any request, ends all new or all old" {
    local nth=1 when end step=${TEST_FAULT_FULL:+1}
    rollout_manifest
    begin() {
        stop_fake
        rm -rf fake .edgectl looks
        start_fake fastly --edge
        export FASTLY_API_ENDPOINT=$FAKE HTTPS_PROXY=$FAKE
        deploy 1
        deploy 2
    }
    # Which versions serve, and that nothing else was made on the way.
    serves() {
        [ "$(state 's["services"]["shop"]["active"], len(v)')" = "($1, 2)" ]
        no_violations
    }
    while :; do
        for when in before after; do
            begin
            fake kill "{\"nth\": $nth, \"when\": \"$when\", \"pid_file\": \"$PWD/pid\"}" >/dev/null
            # shellcheck disable=SC2016
            run --separate-stderr sh -c 'echo $$ >pid; exec "$EDGECTL" rollout run --target prod'
            [ "$status" -eq 137 ] || break 2
            end=abort
            [ "$when" = before ] || end=resume
            command rollout "$end"
            echo "killed $when request $nth, $end: status $status $stderr"
            case $end:$status in
            resume:0) serves 2 ;;
            abort:0) serves 1 ;;
            # Nothing had begun, or all was over.
            *:2) [[ $(state 's["services"]["shop"]["active"]') == [12] ]] ;;
            *) return 1 ;;
            esac
        done
        nth=$((nth + ${step:-7}))
    done
    [ "$nth" -gt 7 ]
    serves 2
}

@test "probes of what is staged are evidence: a bad version never gets traffic" {
    rollout_manifest "" ", probes: { path: / }"
    sed -i 's/steps: .*/steps: [{percent: 1%, soak: 20s}, 100%]/' edge.yaml
    deploy 1
    deploy 2
    fake call '{"name": "break", "version": "shop.2"}' >/dev/null
    command rollout run
    expect_status 3
    expect_in "$stderr" "probes: worse than the stable version"
    [ "$(state 's["services"]["shop"]["active"], v["2"]["locked"]')" = "(1, False)" ]
    [ "$(requests | grep -c '/activate/staging')" = 1 ]
    no_violations
}

@test "the first release behind a router takes over from what was before it, which is told" {
    # Whatever was made in the same second, the newest version is known.
    fake call '{"name": "freeze"}' >/dev/null
    rollout_manifest
    deploy 1
    rollout_manifest "router: true"
    deploy 2
    command rollout plan
    expect_in "$output" "the first release behind a router takes over at once, later ones share"
    command rollout run
    expect_status 0
    [ "$(state 'v["2"]["active"], v["2"]["comment"][:14]')" = "(True, 'edgectl router')" ]
    deploy 3
    command rollout plan
    expect_in "$output" "by the router in front of the two versions"
    command rollout run
    expect_status 0
    [[ $(state 's["stores"]["shop-edgectl-router"]["items"]["rollout"]') == *'"stable":"b"'*'"weight_bp":0'* ]]
    deploy 4
    command rollout run
    expect_status 0
    [[ $(state 's["stores"]["shop-edgectl-router"]["items"]["rollout"]') == *'"stable":"a"'*'"weight_bp":0'* ]]
    no_violations
}

@test "another machine sees the rollout, goes on with it, and can undo it" {
    rollout_manifest "router: true"
    sed -i 's/steps: .*/steps: [{percent: 1%, approval: true}, 100%]/' edge.yaml
    here one
    deploy 1
    deploy 2
    command rollout start
    expect_status 0
    here two
    command rollout status
    expect_in "$stderr" "is run from another machine"
    command rollout resume --once
    expect_status 0
    expect_in "$stderr" "taken over from"
    command rollout promote
    expect_status 0
    command rollout resume
    expect_status 0
    canary='s["services"]["shop-b"]["id"] + "." + str(s["services"]["shop-b"]["active"])'
    command versions --json
    expect_in "$output" "$(state "$canary")"
    split() {
        state 's["stores"]["shop-edgectl-router"]["items"]["rollout"]' |
            python3 -c 'import json, sys; r = json.load(sys.stdin); print(r["stable"], r["weight_bp"])'
    }
    [ "$(split)" = "b 0" ]
    # It is over: nobody takes that over.
    here three
    command rollout resume
    expect_status 2
    deploy 3
    command rollout start
    expect_status 0
    [ "$(split)" = "b 100" ]
    here four
    command rollout abort
    expect_status 0
    [ "$(split)" = "b 0" ]
    # The item is 8,000 characters at most, whatever the plan holds.
    [ "$(state 'len(s["stores"]["shop-edgectl-notes"]["items"]["rollout"]) < 4001')" = True ]
    no_violations
}

@test "gc and destroy from a machine that made nothing; what is somebody else's stays" {
    fake call '{"name": "store", "kind": "config", "store": "shop-foo-flags-0123456789ab"}' >/dev/null
    fake call '{"name": "store", "kind": "secret", "store": "shop-secrets"}' >/dev/null
    fake call '{"name": "store", "kind": "kv", "store": "shop-else"}' >/dev/null
    # Lists come in pages.
    fake call '{"name": "set", "page": 1}' >/dev/null
    here one
    for n in 1 2 3; do
        API_KEY=secret-$n
        deploy "$n"
    done
    fake call '{"name": "store", "kind": "secret", "store": "shop-mine-0123456789ab", "service": "shop",
        "link": "other"}' >/dev/null
    [ "$(state 'len(s["stores"])')" = 11 ]
    here two
    command gc --keep 1
    expect_status 0
    [ "$(state 'len(s["stores"])')" = 7 ]
    [ "$(state 'sorted(v["3"]["links"])')" = "['flags', 'other', 'secrets', 'sessions']" ]
    # Killed when the service has gone: what it linked is known all the same.
    here three
    fake kill "{\"match\": \"DELETE /service/\", \"when\": \"after\", \"pid_file\": \"$PWD/pid\"}" >/dev/null
    # shellcheck disable=SC2016
    run sh -c 'echo $$ >pid; exec "$EDGECTL" destroy --confirm shop --target prod --state state-three'
    expect_status 137
    [ "$(state 's["services"]')" = "{}" ]
    command destroy --confirm shop
    expect_status 0
    [ "$(state 'sorted(s["stores"])')" = \
        "['shop-else', 'shop-foo-flags-0123456789ab', 'shop-mine-0123456789ab', 'shop-secrets']" ]
    no_violations
}

@test "a KV store that was there before is not destroyed from elsewhere" {
    fake call '{"name": "service", "service": "shop"}' >/dev/null
    fake call '{"name": "store", "kind": "kv", "store": "shop-sessions"}' >/dev/null
    here one
    deploy 1
    here two
    command destroy --confirm shop
    expect_status 0
    expect_in "$stderr" "the KV store shop-sessions stays"
    [ "$(state '(s["services"], sorted(s["stores"]))')" = "({}, ['shop-sessions'])" ]
    no_violations
}

@test "a router leaves nothing behind, though the target has none any more; others' services stay" {
    manifest "router: true"
    deploy 1
    deploy 2
    [ "$(state 'sorted(s["services"])')" = "['shop', 'shop-a', 'shop-b']" ]
    # Without it the app is on its own service again, and nothing of the router in its version.
    manifest
    deploy 3
    [ "$(state 's["services"]["shop"]["active"], v["2"]["backends"], sorted(v["2"]["links"])')" = \
        "(2, {}, ['flags', 'secrets', 'sessions'])" ]
    command destroy --confirm shop
    expect_status 0
    [ "$(state '(s["services"], s["stores"])')" = "({}, {})" ]
    fake call '{"name": "service", "service": "shop-a"}' >/dev/null
    deploy 1
    manifest "router: true"
    REL=2 command deploy --no-probe
    expect_status 9
    expect_in "$stderr" "there is a service shop-a"
    expect_in "$stderr" "hint: rename one of the two"
    manifest
    command destroy --confirm shop
    expect_status 0
    [ "$(state 'sorted(s["services"])')" = "['shop-a']" ]
    no_violations
}
