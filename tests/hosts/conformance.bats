#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# One suite of guests on this machine, in workerd, and in Node on CloudFront's and Vercel's terms.
load ../lib

@test "nothing differs from this machine but what has a reason" {
    skip_if_sanitized
    run --separate-stderr env HOME="${TEST_HOME:-$HOME}" python3 "$BATS_TEST_DIRNAME/../conformance/run"
    echo "$output"
    [ "$status" -ne 77 ] || skip "$stderr"
    [ "$status" -eq 0 ]
}

@test "README's table is that of the last run" {
    python3 "$BATS_TEST_DIRNAME/../conformance/table" check
}
