# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# For bats files that serve test guests with the manifest of probe.yaml: `load ../lib`, `load guest`.
load "${BASH_SOURCE[0]%/*}/dev"

setup() {
    scratch
    pids=()
    cp "${BASH_SOURCE[0]%/*}/probe.yaml" edge.yaml
}

# Serve a test guest, with further options of dev: $url, ./log.
serve() {
    guest "$1"
    dev_module "${@:2}"
}

# The guest c/origin as the backends `origin` and `impatient` of what is served next.
serve_origin() {
    serve c/origin --state origin-state
    export EDGECTL_BACKEND_ORIGIN=$url EDGECTL_BACKEND_IMPATIENT=$url
}

# The answer to PATH ($1) holds a text ($2); the rest is for curl.
says() {
    expect_in "$(curl -s -m 20 "${@:3}" "$url$1")" "$2"
}

# The answer to PATH ($1) has that status ($2).
gives() {
    local got
    got=$(curl -s -m 20 -o /dev/null -w '%{http_code}' "${@:3}" "$url$1") || :
    [ "$got" = "$2" ] || {
        echo "$1: status $got, expected $2"
        return 1
    }
}
