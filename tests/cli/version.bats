#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
load ../lib

@test "version: --version and version say the same" {
    edgectl --version
    expect_status 0
    [[ $output =~ ^edgectl\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
    said=$output
    edgectl version
    [ "$output" = "$said" ]
    edgectl version --json
    [ "$output" = "{\"version\":\"${said#edgectl }\"}" ]
}

@test "version: nothing is done that it does not need: under 20 ms" {
    skip_if_sanitized
    [ "$(cpu_ms "$EDGECTL" --version)" -lt 20 ]
}

@test "version: a closed standard output is an error" {
    run bash -c '"$EDGECTL" --version >&-'
    [ "$status" -eq 1 ]
    [[ $output == *"cannot write to standard output"* ]]
    run bash -c '"$EDGECTL" --version >/dev/full'
    [ "$status" -eq 1 ]
    [[ $output == *"cannot write to standard output: No space left on device"* ]]
}
