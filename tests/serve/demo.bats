#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
load ../lib

@test "demo: every step of make demo passes" {
    BUILD_DIR=$(dirname "$EDGECTL")
    run env CHECK=1 BUILD="${BUILD_DIR#"$(cd "$BATS_TEST_DIRNAME/../.." && pwd)/"}" \
        "$BATS_TEST_DIRNAME/../demo/run"
    expect_status 0
    expect_in "$output" "demo: all steps passed"
}
