#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Backends that behave badly: the guest gets the right error, and everybody else is served.
load ../lib
load dev

setup() {
    scratch
    pids=()
    "$TEST_TOOLS/bad_backend" >bad 2>&1 3>&- &
    pids+=($!)
    wait_for 10 test -s bad
    cat >edge.yaml <<END
name: proxy
limits: { wall: 20s }
backends:
  bad: { url: "http://127.0.0.1:$(cat bad)", first-byte-timeout: 1s, between-bytes-timeout: 1s }
  refused: http://127.0.0.1:9
END
    guest c/proxy
    dev_module --workers 1
}

# What the guest says of a path.
told() {
    get "$1" >code
    [ "$(cat answer)" = "$2" ] || {
        echo "$1: $(cat answer), expected: $2"
        return 1
    }
}

@test "backends that refuse, hang, reset, break off or lie, one after the other" {
    told '/x?backend=refused' 'send: status 1, connection refused'
    told /close 'send: status 1, connection terminated'
    told /reset 'send: status 1, connection terminated'
    told /hang 'send: status 1, response timeout'
    told /half-head 'send: status 9, incomplete response'
    told /hang-head 'send: status 1, response timeout'
    told /garbage 'send: status 7, protocol error'
    told /endless-head 'send: status 11, header section too large'
    told /short 'answer: 200, (cut)'
    told /short-reset 'answer: 200, (cut)'
    told /hang-body 'answer: 200, (cut)'
    told /long 'answer: 200, long'
    told /chunk 'answer: 200, (cut)'
    told /no-last-chunk 'answer: 200, (cut)'
    told /huge-chunk 'answer: 200, (cut)'
    told /good $'answer: 200, good'
}

@test "two lengths, a negative length, a status that is no number" {
    for path in /lengths /length /status; do
        get "$path" >code
        echo "$path: $(cat answer)"
        case $(cat answer) in
        'send: status 7, protocol error' | 'send: status 12, status invalid') ;;
        *) return 1 ;;
        esac
    done
}

@test "interim answers without end" {
    get /interims >code
    expect_in "$(cat answer)" 'send: status 1'
}

@test "all at once, again and again, while others are served" {
    local jobs=()
    for round in 1 2 3 4 5; do
        for path in close reset hang half-head garbage endless-head short short-reset hang-body \
            long chunk no-last-chunk huge-chunk lengths interims; do
            curl -s -m 30 -o /dev/null "$url/$path" &
            jobs+=($!)
        done
        [ "$(get /good)" = 200 ]
        [ "$(cat answer)" = 'answer: 200, good' ]
    done
    for job in "${jobs[@]}"; do
        wait "$job"
    done
    told /good 'answer: 200, good'
}
