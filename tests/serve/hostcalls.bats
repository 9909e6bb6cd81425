#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The hostcalls, checked from inside guests that say in TAP what they found.
load ../lib
load guest

# What the guest says of itself: all checks passed, and there were some.
all_ok() {
    local answer
    answer=$(curl -s -m 30 -w '%{http_code}' "$@")
    [ "${answer##*$'\n'}" = 200 ] || {
        printf '%s\n' "$answer" | grep -v '^ok' || :
        return 1
    }
    expect_in "$answer" '1..'
}

@test "requests, responses and bodies" {
    serve c/http
    all_ok -H 'x-probe: here' -d 'hello world' "$url/http?a=b%20c"
}

@test "sends to backends" {
    serve_origin
    serve c/sends
    all_ok "$url"
}

@test "config, secrets, KV, geolocation, devices, ACLs, shields" {
    serve c/stores
    all_ok "$url"
}

@test "what is known of the client" {
    serve c/client
    all_ok -H 'fastly-key: made-up-key' -H 'x-fastly-bot-analyzed: 1' \
        -H 'x-fastly-bot-detected: true' -H 'x-fastly-bot-verified: false' \
        -H 'x-fastly-bot-name: probe-bot' -H 'x-fastly-bot-category: AI-Crawler' "$url/plain"
    serve c/client --tls --state tls-state
    all_ok -k --resolve "localhost:${url##*:}:127.0.0.1" "https://localhost:${url##*:}/tls"
}

@test "the core cache" {
    serve c/cache
    all_ok "$url/?first"
    all_ok "$url/?second"
}

@test "the core cache is one for all workers" {
    serve c/cache --workers 2
    for i in $(seq 20); do
        all_ok "$url/?run-$i" &
    done
    wait_all=0
    for job in $(jobs -p); do
        [ "$job" = "${pids[0]}" ] || wait "$job" || wait_all=1
    done
    [ "$wait_all" = 0 ]
}

@test "pointers and lengths that lie" {
    serve c/wild
    for pattern in 0 1 2 3 4 5 6 7 8 9; do
        all_ok "$url/$pattern"
    done
}

@test "a guest may take five further requests, then it is over" {
    serve c/life --workers 1
    for want in 1 2 3 4 5 6 1 2; do
        [ "$(curl -s -m 10 "$url/reuse")" = "request $want of this instance" ]
    done
}

@test "a waiting guest gets connections that another worker accepts" {
    serve c/life --workers 2
    for want in {1..6} {1..6} {1..6} 1 2; do
        [ "$(curl -s -m 10 "$url/reuse")" = "request $want of this instance" ]
    done
}

@test "promises of further requests" {
    serve c/life --workers 1
    all_ok "$url/promises"
    # Nothing is left waiting: the next request gets a guest of its own.
    [ "$(curl -s -m 10 "$url/reuse")" = "request 1 of this instance" ]
}

@test "a request that was promised to a guest that leaves goes to another one" {
    serve c/life --workers 1
    [ "$(curl -s -m 10 "$url/leave")" = leaving ]
    answer=$(curl -s -m 10 -w '%{time_total}' "$url/reuse")
    expect_in "$answer" 'request 1 of this instance'
    # It was given to the first guest indeed: the answer came when that had gone.
    [ "$(printf '%s' "${answer##*$'\n'}" | tr -d .)" -gt 100000 ]
}
