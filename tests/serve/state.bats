#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# State that is changed from outside while servers run on it.
load ../lib

# An app with KV, a secret and config, served: $url is set, the process in $pids.
serve() {
    rm -f ready
    "$EDGECTL" dev --addr 127.0.0.1:0 --ready-file ready >>log 2>&1 3>&- &
    pids+=($!)
    wait_for 20 test -s ready
    url=$(cat ready)
}

setup() {
    scratch
    pids=()
    "$EDGECTL" init app
    cd app || return 1
    token=$(sed -n 's/^ADMIN_TOKEN=//p' .env)
}

teardown() {
    for pid in "${pids[@]}"; do
        kill "$pid"
        wait "$pid" || :
    done
    no_report log
}

# The status of a write by the guest.
greet() {
    curl -s -m 10 -o /dev/null -w '%{http_code}' -X PUT -H "authorization: Bearer $1" -d "$2" \
        "$url/greeting"
}

page() {
    curl -s -m 10 "$url"
}

@test "a running app sees kv put at its next read, and what it writes is seen" {
    serve
    edgectl kv put content greeting --value 'From outside'
    expect_status 0
    expect_in "$(page)" 'From outside'
    [ "$(greet "$token" 'From the guest')" = 200 ]
    edgectl kv get content greeting
    [ "$output" = 'From the guest' ]
}

@test "a running app sees a new secret and config value at its next look" {
    serve
    edgectl secret put admin-token <<<'another'
    expect_status 0
    [ "$(greet "$token" x)" = 401 ]
    [ "$(greet another x)" = 200 ]
    edgectl config put flags b-percent 100
    expect_in "$(page)" 'variant b'
    edgectl config put flags b-percent 0
    expect_in "$(page)" 'variant a'
}

@test "two servers share one state folder" {
    serve
    one=$url
    serve
    [ "$(greet "$token" 'By the second')" = 200 ]
    url=$one
    expect_in "$(page)" 'By the second'
}

@test "what a guest wrote is there after kill -9 of the server" {
    serve
    [ "$(greet "$token" 'Acknowledged')" = 200 ]
    kill -9 "${pids[0]}"
    wait "${pids[0]}" || :
    pids=()
    serve
    expect_in "$(page)" 'Acknowledged'
}
