#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Guests that misbehave: each harms its own request, while its neighbours on the same loop are
# served.
load ../lib
load dev

setup_file() {
    load ../lib
    load dev
    cd "$BATS_FILE_TMPDIR" || return 1
    mkdir app && cd app || return 1
    BATS_TEST_TMPDIR=$BATS_FILE_TMPDIR
    : "${EDGECTL:?}"
    pids=()
    # A backend that takes connections and never says a word.
    "$TEST_TOOLS/slow_backend" 3600000 >silent 2>&1 3>&- &
    echo $! >silent.pid
    wait_for 10 test -s silent
    cat >edge.yaml <<END
name: hostile
limits: { cpu: 400ms, wall: 3s, memory: 16MiB }
backends:
  silent: "http://127.0.0.1:$(cat silent)"
END
    guest c/hostile
    dev_module --workers 1
    echo "$dev" >pid
    export url HOSTILE=$PWD
}

teardown_file() {
    local status=0
    kill "$(cat "$HOSTILE/pid")"
    # The server is a child of setup_file's shell; it ends soon, or something hangs.
    wait_for 20 gone "$(cat "$HOSTILE/pid")" || status=1
    kill "$(cat "$HOSTILE/silent.pid")"
    no_report "$HOSTILE/log" || status=1
    return $status
}

gone() {
    ! kill -0 "$1" 2>/dev/null
}

setup() {
    scratch
    pids=()
    no_report "$HOSTILE/log"
    : >"$HOSTILE/log"
}

fine() {
    [ "$(curl -s -m 5 "$url/fine")" = fine ]
}

# One bad request; good ones before, during and after. $code, ./answer.
harm() {
    fine
    curl -s -m 30 -o answer -w '%{http_code}' "$url/$1" "${@:2}" >code &
    local bad=$!
    for _ in 1 2 3 4 5; do
        fine
    done
    curl_status=0
    wait "$bad" || curl_status=$?
    code=$(cat code)
    answer=$(tr -d '\0' <answer)
    fine
    kill -0 "$(cat "$HOSTILE/pid")"
}

# harm, then: the client gets 500 and the cause; the terminal has it too.
harm_500() {
    harm "$1"
    [ "$code" = 500 ]
    expect_in "$answer" "$2"
    wait_for 5 grep -qF "GET /$1 500" "$HOSTILE/log"
    expect_in "$(cat "$HOSTILE/log")" "$2"
}

@test "a loop without end: the CPU limit ends it" {
    harm_500 loop 'the guest used more than 400ms of CPU time'
    expect_in "$answer" 'limits.cpu'
}

@test "a loop of hostcalls: the CPU limit ends it" {
    harm_500 call-loop 'the guest used more than 400ms of CPU time'
}

@test "sleeps of no time without end: the CPU limit ends it" {
    harm_500 spin-sleep 'the guest used more than 400ms of CPU time'
}

@test "hostcalls that take long: the CPU limit ends them" {
    harm_500 big-random 'the guest used more than 400ms of CPU time'
}

@test "recursion without end, by host frames" {
    harm_500 recurse-host 'call stack exhausted'
    expect_in "$answer" recurse_host
    expect_in "$(cat "$HOSTILE/log")" recurse_host
}

@test "recursion without end, by frames in linear memory" {
    harm_500 recurse 'memory fault at wasm address'
    expect_in "$answer" recurse
}

@test "memory to the limit: it is refused, and the guest may go on" {
    harm grow
    [ "$code" = 200 ]
    [ "$answer" = 'refused after 243 pages' ] || expect_in "$answer" 'refused after 2'
}

@test "memory beyond the limit: the limit is named" {
    harm_500 grow-and-die 'the guest was refused more memory than 16.0 MiB'
    expect_in "$answer" 'limits.memory'
    expect_in "$answer" 'grow_and_die'
}

@test "unreachable" {
    harm_500 abort 'unreachable'
    expect_in "$answer" '!abort'
}

@test "division by zero" {
    harm_500 divide 'integer divide by zero'
}

@test "memory that is not there" {
    harm_500 load 'memory fault at wasm address 0xfffffff0'
}

@test "a call of no function" {
    harm_500 call-nothing 'out of bounds table access'
}

@test "the page for a browser shows the cause and the frames, as text" {
    harm abort -H 'accept: text/html'
    [ "$code" = 500 ]
    expect_in "$answer" '<h1>wasm trap: wasm `unreachable` instruction executed</h1>'
    expect_in "$answer" '!abort'
}

@test "an exit with a code" {
    harm_500 exit 'the guest exited with code 7'
}

@test "an end without an answer is an empty 200" {
    harm nothing
    [ "$code" = 200 ]
    [ ! -s answer ]
}

@test "two answers: the first one counts" {
    harm twice
    [ "$code" = 200 ]
    [ "$answer" = first ]
    wait_for 5 grep -q 'sent twice: 0 1' "$HOSTILE/log"
}

@test "10,000 handles of each kind that are never closed" {
    harm leak
    [ "$code" = 200 ]
    [ "$answer" = 10000 ]
}

@test "sends without end: they are limited, not deadly" {
    harm flood
    [ "$code" = 200 ] || expect_in "$answer" 'the guest ran longer than 3s' ||
        expect_in "$answer" 'CPU time'
}

@test "a gigabyte into a body: it is limited, not deadly" {
    harm big-write
    [ "$code" = 200 ] || [ "$code" = 500 ]
}

@test "sleep beyond the wall time limit" {
    harm_500 nap 'the guest ran longer than 3s'
    expect_in "$answer" 'limits.wall'
}

@test "a backend that never answers: the wall time limit ends it" {
    harm_500 wait 'the guest ran longer than 3s'
}

@test "a stream that is left open: the client sees that it is cut" {
    harm open-stream
    [ "$code" = 200 ]
    [ "$curl_status" = 18 ]
    [ "$answer" = begun ]
}

@test "an upload that the guest does not read" {
    head -c 50000000 /dev/zero >big
    harm no-read -T big
    [ "$code" = 200 ]
    [ "$answer" = unread ]
}

@test "an upload that the guest reads slowly" {
    head -c 5000000 /dev/zero >big
    harm slow-read -T big
    [ "$code" = 200 ]
    [ "$answer" = '5000000 bytes' ]
}

@test "all of them at once" {
    local jobs=()
    for round in 1 2 3; do
        for path in loop recurse recurse-host grow leak abort divide exit twice open-stream nap; do
            curl -s -m 60 -o /dev/null "$url/$path" &
            jobs+=($!)
        done
    done
    fine
    for job in "${jobs[@]}"; do
        wait "$job" || :
    done
    fine
}
