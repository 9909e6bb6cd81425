# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# For bats files that look at a running `edgectl dev`: `load ../lib`, then `load dev`.

setup() {
    scratch
    pids=()
}

teardown() {
    for pid in "${pids[@]}"; do
        kill "$pid" 2>/dev/null || :
        wait "$pid" || :
    done
    no_report log
}

# The path of a test guest's module; the test is skipped if its compiler is missing.
guest() {
    run --separate-stderr env HOME="${TEST_HOME:-$HOME}" "$BATS_TEST_DIRNAME/../guests/build" "$1"
    [ "$status" -ne 77 ] || skip "${stderr-}"
    [ "$status" -eq 0 ] || {
        echo "${stderr-}"
        return 1
    }
    module=$output
}

# Serve: edgectl dev ARGUMENTS, in the background. $url, $dev (its pid), ./log.
dev() {
    rm -f ready
    "$EDGECTL" dev --addr 127.0.0.1:0 --ready-file ready "$@" >>log 2>&1 3>&- &
    dev=$!
    pids+=("$dev")
    wait_for 240 ready_or_gone # the engine of a JavaScript guest is compiled first: 10 s alone on 2 cores
    [ -s ready ] || {
        cat log
        return 1
    }
    url=$(cat ready)
}

ready_or_gone() {
    [ -s ready ] || ! kill -0 "$dev" 2>/dev/null
}

# Serve the module that is in $module with the manifest edge.yaml.
dev_module() {
    dev "$module" --manifest edge.yaml "$@"
}

# End the server; $status is its exit status.
stop_dev() {
    kill "-${1:-TERM}" "$dev"
    status=0
    wait "$dev" || status=$?
    dev_gone
}

# The server was waited for: forget it, not what else runs for this test.
dev_gone() {
    local pid left=()
    for pid in "${pids[@]}"; do
        [ "$pid" = "$dev" ] || left+=("$pid")
    done
    pids=("${left[@]}")
}

# Status code, and the body in ./answer.
get() {
    curl -s -m 20 -o answer -w '%{http_code}' "$url$1" "${@:2}"
}
