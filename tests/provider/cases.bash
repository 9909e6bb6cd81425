# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# How providers misbehave: one list of cases for all of them. A provider's file sets READ, MAKE and
# WRITE (regexes of "METHOD /path": a read that each deploy does, a call that makes something, a call
# that may be repeated), and defines
#
#     begin           a fresh fake (afresh PROVIDER), no state
#     release N       deploys release N: $status, $stderr, $last
#     newest          prints the newest version, unless release leaves it in $version
#     whole N         what there must be after N releases, exactly once

afresh() {
    stop_fake
    rm -rf fake state
    start_fake "$1"
}

newest() {
    echo "$version"
}

# Gives the newest version all traffic.
traffic() {
    ship_maybe_killed prod split "$(newest)"
    [ -n "${KILLABLE-}" ] || expect_status 0
}

# fault KIND-OF-CALL JSON: the fault, without braces, for those calls.
fault() {
    fake fault "{\"match\": \"${!1}\", $2}" >/dev/null
}

# It passes: tried again, or found to be done.
passing='
READ|"kind": "429"
READ|"kind": "status", "times": 2
READ|"kind": "reset"
READ|"kind": "trickle"
READ|"kind": "type"
MAKE|"kind": "429"
MAKE|"kind": "status"
MAKE|"kind": "status", "done": true
MAKE|"kind": "reset"
MAKE|"kind": "truncated"
WRITE|"kind": "status", "times": 2
WRITE|"kind": "status", "done": true
WRITE|"kind": "reset"'

# It stays: exit status, a part of what is said, and the next run converges.
lasting='
READ|"kind": "429", "after": 300, "times": -1|6|429
READ|"kind": "status", "times": -1|6|503
READ|"kind": "status", "status": 500, "text": "<b>odd</b>", "times": -1|6|odd
READ|"kind": "html", "times": -1|6|HTML instead of JSON: "<!DOCTYPE html>
READ|"kind": "truncated", "times": -1|6|broken JSON
READ|"kind": "reset", "times": -1|6|
READ|"kind": "silence", "times": -1|6|in time
READ|"kind": "trickle", "endless": true, "times": -1|6|in time
MAKE|"kind": "status", "status": 400, "text": "no such luck", "times": -1|1|no such luck
MAKE|"kind": "status", "times": -1|6|503
WRITE|"kind": "status", "status": 403, "text": "not allowed", "times": -1|8|not allowed'

what_passes() {
    local call json
    while IFS='|' read -r call json; do
        [ -n "$call" ] || continue
        echo "case: $call $json"
        begin
        fault "$call" "$json"
        release 1
        expect_status 0
        traffic
        whole 1
    done <<<"$passing"
}

what_stays() {
    local call json code words
    while IFS='|' read -r call json code words; do
        [ -n "$call" ] || continue
        echo "case: $call $json"
        begin
        fault "$call" "$json"
        EDGECTL_API_TIMEOUT=1 release 1
        expect_status "$code"
        expect_in "$stderr" "$words"
        expect_in "$stderr" "hint: "
        fake heal >/dev/null
        release 1
        expect_status 0
        traffic
        whole 1
    done <<<"$lasting"
}

# kill -9 around each request of what "$@" does after `before` has run: the next run ends it. All of
# them in check-fault, else a sample.
killed_anywhere() {
    local before=$1 step nth=1 when
    shift
    step=${TEST_FAULT_FULL:+1}
    while :; do
        for when in before after; do
            begin
            $before
            fake kill "{\"nth\": $nth, \"when\": \"$when\", \"pid_file\": \"$PWD/pid\"}" >/dev/null
            KILLABLE=yes "$@"
            [ "$status" -ne 0 ] || break 2
            expect_status 137
            echo "killed $when request $nth of: $*"
            "$@"
            expect_status 0
            traffic
            whole "$last"
        done
        nth=$((nth + ${step:-6}))
    done
    # Some kill struck.
    [ "$nth" -gt 1 ]
}
