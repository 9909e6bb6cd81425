# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# peer KIND [NAME]: $PEER is the path of a provider's program, from peers/KIND; skips, and says why,
# when it cannot be had. HOME is the user's meanwhile: the cache is there.
peer() {
    local status=0
    PEER=$(HOME=$TEST_HOME "$BATS_TEST_DIRNAME/peers/$1" ${2:+"$2"} 2>peer.log) || status=$?
    [ "$status" -ne 77 ] || skip "$(grep -m1 -o 'skip: .*' peer.log | cut -c7-)"
    [ "$status" -eq 0 ] || {
        cat peer.log
        return 1
    }
}
