#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The CloudFront Function that splits traffic: its source as it is deployed, called with the service's
# events, in Node and in njs, whose engine CloudFront Functions has.
load ../lib

# A case of cloudfront.mjs, in both engines.
both() {
    node "$BATS_TEST_DIRNAME/cloudfront.mjs" "$1" node
    command -v njs >/dev/null || skip "no njs (Debian: njs); it passed in Node"
    node "$BATS_TEST_DIRNAME/cloudfront.mjs" "$1" njs
}

@test "the function is within 10 KB" {
    both size
}

@test "each weight gets its share of 6,000 addresses" {
    both weights
}

@test "the shares are even" {
    both even
}

@test "a growing weight moves visitors one way; a new salt deals anew" {
    both sticky
}

@test "the cookie of this rollout beats the address" {
    both cookie
}

@test "the answer sets a cookie that keeps the choice" {
    both answer
}

@test "a request can force either version" {
    both forced
}

@test "a request has one label, and it is not the client's" {
    both label
}

@test "a request that was here already is a loop" {
    both loop
}

@test "without a valid rollout requests go on unlabelled" {
    both broken
}
