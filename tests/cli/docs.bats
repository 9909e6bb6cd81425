#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
load ../lib

@test "docs: man pages and completions are those of the command table" {
    run "$BATS_TEST_DIRNAME/../docs" check "$EDGECTL"
    [ "$status" -eq 0 ] || {
        echo "$output"
        return 1
    }
}

@test "docs: every command has a man page that man can format" {
    mkdir man
    edgectl _docs man man
    expect_status 0
    while read -r path; do
        page=man/edgectl-${path// /-}.1
        [ -s "$page" ]
        if command -v groff >/dev/null; then
            said=$(groff -man -ww -z -Tutf8 "$page" 2>&1)
            [ -z "$said" ] || {
                echo "$page: $said"
                return 1
            }
        fi
    done < <("$EDGECTL" _docs commands)
    edgectl _docs man /nowhere
    expect_status 1
    edgectl _docs man
    expect_status 2
}
