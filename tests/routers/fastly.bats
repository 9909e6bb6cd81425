#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The router for Fastly, in front of two apps: three `edgectl dev`.
load ../lib
load ../serve/dev

setup() {
    scratch
    pids=()
    router=$(dirname "$EDGECTL")/embed/prebuilt/fastly-router.wasm
    [ -e "$router" ] || skip "no clang for Wasm when edgectl was built"
    guest c/arm
    app a 'the stable one'
    stable=$url
    app b 'the canary'
    canary=$url
    cat >edge.yaml <<END
name: router
backends: { a: { url: "$stable" }, b: { url: "$canary" }, stable: { url: "$stable" } }
config: { edgectl: }
geo: { addresses: { 127.0.0.0/8: { city: "M\u00fcnchen \U0001F37A", region: BY, country_code: DE } } }
END
    dev "$router" --manifest edge.yaml
}

# One of the two apps; its answers say which.
app() {
    mkdir "$1"
    echo "{ name: app, config: { arm: { name: '$2' } } }" >"$1/edge.yaml"
    dev "$module" --manifest "$1/edge.yaml" --state "$1/state"
}

# The rollout: 5 % for b, then whatever the caller says differently (JSON members).
rollout() {
    local value
    value=$(node -p 'JSON.stringify({gen: 7, salt: "9f2c", stable: "a", canary: "b", weight_bp: 500,
        force_header: "x-edgectl-canary", ...JSON.parse(process.argv[1])})' "${1:-{\}}")
    "$EDGECTL" config put edgectl rollout "$value"
}

# Head and body of the router's answer to PATH ($1).
ask() {
    curl -s -m 20 -D head -o body "$url$@"
}

version() {
    sed -n 's/^x-edgectl-version: \(.*\)\r$/\1/p' head
}

@test "weights, by the cookie: shares below the weight get the canary" {
    rollout
    for share in 0 1 499; do
        ask / -H "cookie: x=1; edgectl-share=9f2c.$share"
        [ "$(version)" = b ]
        expect_in "$(cat body)" 'arm: the canary'
    done
    for share in 500 9999; do
        ask / -H "cookie: edgectl-share=9f2c.$share"
        [ "$(version)" = a ]
        expect_in "$(cat body)" 'arm: the stable one'
    done
    rollout '{"weight_bp": 10000}'
    ask / -H 'cookie: edgectl-share=9f2c.9999'
    [ "$(version)" = b ]
    rollout '{"weight_bp": 0}'
    ask / -H 'cookie: edgectl-share=9f2c.0'
    [ "$(version)" = a ]
}

# A salt is to the hash what an address is, and can be chosen here: 150 salts at 20 % give 30 canaries
# with a standard deviation of 4.9; four of them either way. The salts are fixed, so is the outcome.
@test "weights, by the address: each gets its share" {
    local n=0
    for i in {1..150}; do
        "$EDGECTL" config put edgectl rollout \
            "{\"stable\":\"a\",\"canary\":\"b\",\"salt\":\"s$i\",\"weight_bp\":2000}"
        ask /
        [ "$(version)" != b ] || n=$((n + 1))
    done
    echo "$n of 150"
    [ "$n" -ge 11 ] && [ "$n" -le 49 ]
}

@test "the answer sets a cookie that keeps the choice, once" {
    rollout '{"weight_bp": 5000}'
    ask /
    first=$(version)
    cookie=$(sed -n 's/^set-cookie: \(edgectl-share=9f2c\.[0-9]*\);.*/\1/p' head)
    [ -n "$cookie" ]
    ask / -H "cookie: $cookie"
    [ "$(version)" = "$first" ]
    ! grep -q '^set-cookie: edgectl-share' head
    ask / -H 'cookie: edgectl-share=other.1'
    [ "$(version)" = "$first" ]
    grep -q '^set-cookie: edgectl-share=9f2c' head
    # The app's own cookie is there beside it.
    grep -q '^set-cookie: app=1' head
}

@test "forced by header, by the rollout's name for it" {
    rollout '{"weight_bp": 0}'
    for value in 1 canary b; do
        ask / -H "x-edgectl-canary: $value"
        [ "$(version)" = b ]
    done
    rollout '{"weight_bp": 10000, "force_header": "x-probe"}'
    for value in 0 stable a; do
        ask / -H "x-probe: $value"
        [ "$(version)" = a ]
    done
    ask / -H 'x-edgectl-canary: 0' -H 'x-probe: what'
    [ "$(version)" = b ]
}

@test "method, body, path, client and place are passed on; a client's claims are not" {
    rollout '{"weight_bp": 0}'
    ask '/p?q=1' -X PUT -d 'the body' -H 'x-edgectl-version: mine' -H 'x-edgectl-client-ip: 1.2.3.4' \
        -H 'x-edgectl-geo-city: Nowhere' -H 'x-forwarded-for: 192.0.2.1'
    grep -q '^HTTP/1.1 200' head
    expect_in "$(cat body)" $'PUT /p?q=1\n'
    expect_in "$(cat body)" $'\nx-edgectl-version: a\n'
    expect_in "$(cat body)" $'\nx-edgectl-client-ip: 127.0.0.1\n'
    expect_in "$(cat body)" $'\nx-edgectl-geo-country: DE\n'
    expect_in "$(cat body)" $'\nx-edgectl-geo-region: BY\n'
    expect_in "$(cat body)" $'\nx-edgectl-geo-city: München 🍺\n'
    expect_in "$(cat body)" $'\nx-forwarded-for: 192.0.2.1\nx-forwarded-for: 127.0.0.1\n'
    expect_in "$(cat body)" $'\n\nthe body'
}

@test "each request has a log line of JSON" {
    rollout '{"weight_bp": 10000}'
    ask / -H 'cookie: edgectl-share=9f2c.77'
    wait_for 10 grep -q 'edgectl-router :: ' log
    line=$(sed -n 's/.*edgectl-router :: //p' log)
    [ "$line" = '{"edgectl":"router","version":"b","canary":true,"forced":false,"share":77,"gen":7,"status":200,"error":0}' ]
}

@test "an app that does not answer: 502 with the label, and no other version instead" {
    rollout '{"weight_bp": 10000, "canary_backend": "gone"}'
    ask /
    grep -q '^HTTP/1.1 502' head
    [ "$(version)" = b ]
    grep -qi '^cache-control: no-store' head
}

@test "a router behind itself answers 508" {
    rollout

    EDGECTL_BACKEND_A=$url EDGECTL_BACKEND_B=$url dev "$router" --manifest edge.yaml --state .edgectl
    ask / -H 'x-edgectl-canary: 1'
    grep -q '^HTTP/1.1 508' head
    # However many routers stood between.
    ask / -H 'x-edgectl-via: one, two' -H 'x-edgectl-via: three,fastly-0000000000000000000000, x'
    grep -q '^HTTP/1.1 508' head
    wait_for 10 grep -q 'edgectl-router :: .*"loop"' log
}

@test "without a valid rollout: the backend 'stable', unlabelled, and the log says why" {
    ask / -H 'x-edgectl-version: mine'
    expect_in "$(cat body)" 'arm: the stable one'
    [ -z "$(version)" ]
    ! grep -q 'x-edgectl-version' body
    wait_for 10 grep -q "no key 'rollout'" log
    for bad in 'not JSON' '[]' '{' '{"stable' '{"stable":"a"}' '"a"' '{"stable":"a","canary":"b","salt":"s"}' \
        '{"stable":"a","canary":"b","salt":"s","weight_bp":10001}' \
        '{"stable":"a","canary":"b","salt":"s","weight_bp":-1}' \
        '{"stable":"a","canary":"b","salt":"s","weight_bp":1e3}' \
        '{"stable":"a","canary":"b c","salt":"s","weight_bp":1}' \
        '{"stable":"a","canary":"\ud800","salt":"s","weight_bp":1}' \
        '{"x":{"stable":"a","canary":"b","salt":"s","weight_bp":1}}'; do
        "$EDGECTL" config put edgectl rollout "$bad"
        ask /
        echo "$bad"
        expect_in "$(cat body)" 'arm: the stable one'
        [ -z "$(version)" ]
    done
}
