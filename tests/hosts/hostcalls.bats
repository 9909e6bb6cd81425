#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The hosts serve what src/guest/hostcalls.def names, and nothing else.
load ../lib

setup() {
    scratch
    command -v node >/dev/null || skip "no node (Debian: nodejs)"
    root=$BATS_TEST_DIRNAME/../..
    cp -r "$root/templates/hosts/core" core
    echo '{"type":"module"}' >package.json
    node --input-type=module -e '
        import { hostcalls } from "./core/table.js";
        for (const [module, name, how] of hostcalls) console.log(module, name, how);' | sort >hosts
    # of the rows for which the column `hosts` says that hosts serve them
    sed -n -e 's/^HOSTCALL(\([a-z_]*\), \([a-z_0-9]*\), "[iI]*", \([A-Z]*\), [a-z_0-9]*, ALL,.*/\1 \2 \3/p' \
        -e 's/^WASI(\([a-z_]*\), "[iI]*", \([A-Z]*\), ALL).*/wasi_snapshot_preview1 \1 \2/p' \
        "$root/src/guest/hostcalls.def" | sort >table
    [ -s table ]
}

@test "hosts serve what the table says that they serve, and nothing else" {
    # What may wait differs: a cache that never waits to close, stores that are read over the network.
    sed 's/ PARK$/ CALL/' table >wanted
    sed 's/ PARK$/ CALL/' hosts | diff wanted -
}
