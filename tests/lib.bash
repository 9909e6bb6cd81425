# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
bats_require_minimum_version 1.5.0

# For bats files: `load ../lib`. Every test runs in an empty folder of its own, with its own HOME,
# and sees no setting of the user's.

setup() {
    scratch
}

# An empty folder as working directory; nothing of the user's environment that edgectl reads.
scratch() {
    : "${EDGECTL:?the path of the binary to test}"
    unset "${!EDGECTL_@}" "${!FASTLY_@}" XDG_CONFIG_HOME XDG_DATA_HOME XDG_STATE_HOME NO_COLOR
    # Toolchains and built guests are the user's all the same: guest.bash.
    export TEST_HOME=${TEST_HOME:-$HOME}
    export HOME=$BATS_TEST_TMPDIR/home LC_ALL=C.UTF-8 TERM=dumb
    mkdir -p "$HOME" "$BATS_TEST_TMPDIR/work"
    cd "$BATS_TEST_TMPDIR/work" || return 1
}

JSON_SCHEMA=${BASH_SOURCE[0]%/*}/../cmd/edgectl.schema.json

# run edgectl: $status, $output (stdout), $stderr. What it writes with --json must be as its schema
# says.
edgectl() {
    run --separate-stderr "$EDGECTL" "$@"
    case " $* " in
    *' --json '*) json_fits "$@" ;;
    esac
}

json_fits() {
    "$TEST_TOOLS/json_check" "$JSON_SCHEMA" out "$@" <<<"$output" &&
        "$TEST_TOOLS/json_check" "$JSON_SCHEMA" err "$@" <<<"${stderr-}"
}

# The last run ended with that status.
expect_status() {
    [ "$status" -eq "$1" ] || {
        echo "exit status $status, expected $1"
        echo "stdout: $output"
        echo "stderr: ${stderr-}"
        return 1
    }
}

# Text ($1) holds a part ($2).
expect_in() {
    case $1 in
    *"$2"*) ;;
    *)
        echo "missing: $2"
        echo "in: $1"
        return 1
        ;;
    esac
}

# Wait until a command succeeds, at most $1 seconds.
wait_for() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || {
            echo "gave up waiting for: $*"
            return 1
        }
        read -r -t 0.05 <> <(:) || :
    done
}

# No sanitizer had anything to say in these files.
no_report() {
    local file
    for file; do
        [ -e "$file" ] || continue
        ! grep -aqE 'Sanitizer|runtime error:' "$file" || {
            cat "$file"
            return 1
        }
    done
}

# For a test that measures time.
skip_if_sanitized() {
    [ -z "${TEST_SANITIZED-}" ] || skip "a sanitized build is not fast"
}

# The CPU time of a command in milliseconds, the best of ten: what it costs, not what else runs on
# this machine. Its output is dropped.
cpu_ms() {
    local best=1000000 used TIMEFORMAT='%3U %3S'
    for _ in {1..10}; do
        used=$({ time "$@" >/dev/null 2>&1; } 2>&1)
        used=$(echo "$used" | awk '{ printf "%d", ($1 + $2) * 1000 }')
        [ "$used" -ge "$best" ] || best=$used
    done
    echo "$best"
}
