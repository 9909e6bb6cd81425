# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# For tests of drivers against their fakes: load ../lib, then this.

# start_fake NAME [OPTION...]: fake_NAME.py runs, $FAKE is its URL.
start_fake() {
    mkdir -p fake
    python3 -B "$BATS_TEST_DIRNAME/fake_$1.py" --dir fake "${@:2}" 3>&- &
    FAKE_PID=$!
    wait_for 20 test -s fake/url
    FAKE=$(cat fake/url)
    export FAKE
}

stop_fake() {
    [ -z "${FAKE_PID-}" ] || kill "$FAKE_PID" 2>/dev/null || :
}

# fake CONTROL [JSON]: steers it, prints its answer.
fake() {
    curl -sS -H 'Content-Type: application/json' -d "${2:-}" "$FAKE/_fake/$1"
}

# What it was sent had nothing to complain of.
no_violations() {
    local said
    said=$(fake violations)
    [ "$said" = "[]" ] || {
        echo "violations: $said"
        return 1
    }
}

# What went through it, as "METHOD /path" lines.
requests() {
    fake requests | python3 -c 'import json, sys
for r in json.load(sys.stdin): print(r["method"], r["path"])'
}

# run ship: a driver without the commands around it.
ship() {
    run --separate-stderr "$TEST_TOOLS/ship" "$@"
}

# The same, where it must go well; its answer on one line.
ship_ok() {
    ship "$@"
    expect_status 0
    output=$(python3 -c 'import json, sys
text = sys.stdin.read()
print(json.dumps(json.loads(text)) if text.strip() else "")' <<<"$output")
}

# ship_killed NTH WHEN ARG...: kill -9 before or after its NTH request. $status 0: there were fewer.
ship_killed() {
    local nth=$1 when=$2
    shift 2
    fake kill "{\"nth\": $nth, \"when\": \"$when\", \"pid_file\": \"$PWD/pid\"}" >/dev/null
    # shellcheck disable=SC2016
    run sh -c 'echo $$ >pid; exec "$@"' sh "$TEST_TOOLS/ship" "$@"
}

# ship, which a kill that was asked for finds when KILLABLE is set.
ship_maybe_killed() {
    if [ -z "${KILLABLE-}" ]; then
        ship "$@"
        return
    fi
    # shellcheck disable=SC2016
    run --separate-stderr sh -c 'echo $$ >pid; exec "$@"' sh "$TEST_TOOLS/ship" "$@"
}

# A guest that says nothing: the smallest module that bundles.
small_wasm() {
    # (module (memory (export "memory") 1) (func (export "_start")))
    printf '\0asm\1\0\0\0\1\4\1\140\0\0\3\2\1\0\5\3\1\0\1\7\23\2\6memory\2\0\6_start\0\0\12\4\1\2\0\13'
}

# field NAME: of $output.
field() {
    python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1" <<<"$output"
}
