#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The core of the hosts by itself, in Node 24.
load ../lib
load ../serve/dev
load peers

@test "guests wait for memory, not for ever, and their time is limited" {
    node24
    guest c/hostile
    cp -r "$BATS_TEST_DIRNAME/../../templates/hosts/core" core
    echo '{"type":"module"}' >package.json
    "$node" "$BATS_TEST_DIRNAME/core.mjs" "$PWD/core/host.js" "$module"
}
