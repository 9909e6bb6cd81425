#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What a guest does with its response, seen from outside.
load ../lib
load guest

# Head and body as they came over the wire.
raw() {
    curl -s -i -m 20 --raw "$url$1" | tr -d '\r'
}

@test "a second final response is an error for the guest and nothing to the client" {
    serve c/life
    says /twice first
    wait_for 5 grep -q 'life :: twice 0 1' log
}

@test "early hints go to the client, other interim statuses are refused" {
    serve c/life
    answer=$(raw /hints)
    [ "$(printf '%s\n' "$answer" | grep -c '^HTTP/1.1 103')" = 2 ]
    expect_in "$answer" 'link: </a.css>; rel=preload'
    expect_in "$answer" 'hints 0 0 2'
}

@test "a streamed response arrives in pieces, with its trailers" {
    serve c/life
    answer=$(raw /stream)
    expect_in "$answer" 'transfer-encoding: chunked'
    expect_in "$answer" 'appended'
    expect_in "$answer" 'x-end: good'
    # The first part is there long before the end.
    first=$(curl -s -m 20 -N -o /dev/null -w '%{time_starttransfer} %{time_total}' "$url/stream")
    perl -e 'exit !($ARGV[0] < 0.15 && $ARGV[1] > 0.28)' $first
}

@test "a body that is abandoned, or whose guest dies, is cut and not ended" {
    serve c/life
    for path in /abandon /trap-late; do
        run curl -s -m 20 "$url$path"
        [ "$status" -eq 18 ]
        [ "$output" = half ]
    done
    wait_for 5 grep -q 'GET /abandon 200 .*cut short' log
}

@test "the end of a guest without an answer" {
    serve c/life
    gives /nothing 200
    gives /exit 200
    gives /trap 500
    says /trap 'unreachable'
    says /trap 'error while executing at wasm backtrace:'
    gives /exit-bad 500
    says /exit-bad 'code 3'
}

@test "the request body is there while it still comes" {
    serve c/life
    { printf one; sleep 0.3; printf two; } |
        curl -s -m 20 -N -T - -H 'expect:' "$url/duplex" -o out &
    local upload=$!
    wait_for 5 grep -qs one out
    wait $upload || echo "curl: exit status $?"
    [ "$(cat out)" = onetwo ]
}

@test "framing is the host's, unless the guest's is good" {
    serve c/life
    answer=$(raw /framing)
    expect_in "$answer" 'content-length: 9'
    [[ $answer != *chunked* ]]
    answer=$(raw /manual)
    expect_in "$answer" 'transfer-encoding: chunked'
    [[ $answer != *content-length* ]]
    expect_in "$(raw /close)" 'connection: close'
}

@test "the client does not wait for what a guest does after its answer" {
    serve c/life
    took=$(curl -s -m 20 -o /dev/null -w '%{time_total}' "$url/after")
    perl -e 'exit !($ARGV[0] < 0.2)' "$took"
    wait_for 5 grep -q 'life :: after' log
}

@test "the host answers from a pending request, with the guest's edits" {
    serve_origin
    serve c/life
    answer=$(raw /pending)
    expect_in "$answer" 'HTTP/1.1 200'
    expect_in "$answer" 'x-kind: response'
    expect_in "$answer" 'x-any: added'
    [[ $answer != *content-type* ]]
    answer=$(raw /pending-refused)
    expect_in "$answer" 'HTTP/1.1 502'
    expect_in "$answer" 'x-kind: error'
}
